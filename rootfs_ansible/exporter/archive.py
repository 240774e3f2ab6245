"""The exporter as one file that any Python runs: a zip archive with the same bytes each time."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent.parent
_PARTS = ("__init__.py", "errors.py", "model", "exporter")
_SUFFIXES = {".py", ".json"}
_MAIN = """\
from rootfs_ansible.exporter.__main__ import run

raise SystemExit(run())
"""


def zipapp(path: Path) -> Path:
    """Write the exporter to ``path`` (aside, then renamed) as a zip application; return it.

    The bytes depend on nothing but the sources: sorted names, no times, no compression, whose
    bytes differ from one zlib to the next.
    """
    # Not at the top: the Python that runs the archive may be too small to have it.
    from zipfile import ZipFile, ZipInfo

    aside = path.with_name(f".{path.name}.new")
    with ZipFile(aside, "w") as archive:
        archive.writestr(ZipInfo("__main__.py"), _MAIN)
        for source in _sources():
            info = ZipInfo(f"rootfs_ansible/{source.relative_to(_PACKAGE).as_posix()}")
            archive.writestr(info, source.read_bytes())
    return aside.replace(path)


def _sources() -> list[Path]:
    found = []
    for part in (_PACKAGE / name for name in _PARTS):
        found += [part] if part.is_file() else sorted(part.rglob("*"))
    return sorted(path for path in found if path.suffix in _SUFFIXES)
