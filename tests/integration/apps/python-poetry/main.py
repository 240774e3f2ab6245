from importlib.util import find_spec
from pathlib import Path

import idna

found = [name for name in ("certifi", "colorama") if find_spec(name)]
print(idna.encode("grüße.example").decode(), found, Path("made.txt").read_text(encoding="utf-8"))
