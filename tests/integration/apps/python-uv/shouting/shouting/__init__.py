LOUD = True
