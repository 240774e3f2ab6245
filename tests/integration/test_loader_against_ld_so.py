"""The resolution of every program and library is what the system's own loader says, in its root.

All ELF files of the build images are asked for, wherever they lie, and a sample of this machine's.
No difference is known: names, paths and their order are the same. What the loader does not load
(object files, static programs) is counted apart, and it says so itself.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import resolutions
from resolutions import Comparison, compared
from services import Docker

from rootfs_ansible.exporter import zipapp

MOST = 200


@pytest.mark.engine
@pytest.mark.parametrize("stack", ["node", "haskell"])
def test_every_object_of_a_build_image_gets_what_its_loader_gives_it(
    docker: Docker, request: pytest.FixtureRequest, stack: str, tmp_path: Path
) -> None:
    """The exporter and the question are put into the image, and run there as root."""
    request.getfixturevalue({"node": "built_example"}.get(stack, f"built_{stack}_example"))
    images = docker("images", "--quiet", f"rootfs.builder/stack-{stack}-build").split()
    assert images, "the build image is gone, and the app's own is not: remove that to have both"
    container = docker(
        "create", "--network=none", "--user=0", "--env=PYTHONPATH=/exporter.pyz",
        "--entrypoint=python3", images[0], "/resolutions.py",
    )  # fmt: skip
    try:
        docker("cp", str(zipapp(tmp_path / "exporter.pyz")), f"{container}:/exporter.pyz")
        docker("cp", str(resolutions.__file__), f"{container}:/resolutions.py")
        found = json.loads(docker("start", "--attach", container))
    finally:
        docker("rm", "--volumes", container)
    assert found["differences"] == []
    assert found["kinds"]["loaded"] > 700
    assert set(found["kinds"]) <= {"loaded", "object file", "static"}


def test_objects_of_this_machine_get_what_its_loader_gives_them() -> None:
    comparison = Comparison(Path("/"))
    if not Path(comparison.interpreter).exists():
        pytest.skip(f"the machine's loader is not {comparison.interpreter}")
    paths = [path for top in ("/usr/bin", "/usr/lib") for path in comparison.elfs(top)]
    loaded = [path for path in paths if comparison.kind(path) == "loaded"]
    assert compared(comparison, loaded[:: len(loaded) // MOST + 1]) == []
