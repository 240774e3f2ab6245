from importlib.resources import files

ALPHABET = files("letters").joinpath("alphabet.txt").read_text(encoding="utf-8").strip()
