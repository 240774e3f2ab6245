"""The way of one app: what its plan says, what is kept of it, and where its image goes."""

from __future__ import annotations

from pathlib import Path

import pytest
from builds import StandIn, harvested, make_build

from rootfs_ansible.errors import EngineError


def test_an_image_of_another_architecture_is_not_sent_to_an_engine(tmp_path: Path) -> None:
    build = make_build(tmp_path)
    image = build.pack(harvested(build, build.plan()), {})
    other = StandIn(machine="arm64")
    build = make_build(tmp_path, engine=other, rootfs_load=True)
    with pytest.raises(EngineError, match="for amd64, the engine for arm64") as refused:
        build.deliver(image)
    assert "rootfs_load" in refused.value.hint
    assert "load" not in other.asked
    other.machine = "amd64"
    assert build.deliver(image)
    assert "load" in other.asked
