from importlib.util import find_spec

import idna

print(idna.encode("grüße.example").decode(), find_spec("colorama"))
