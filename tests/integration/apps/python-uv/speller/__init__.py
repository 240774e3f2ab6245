from importlib.metadata import version
from importlib.util import find_spec

from letters import ALPHABET


def main() -> None:
    print(ALPHABET, version("letters"), find_spec("shouting") is not None)
