"""What runs where the files are: outputs, their closure, layers; the standard library alone."""
