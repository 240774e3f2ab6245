"""Every path of every example has a chain from a declared output, by the manifest alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from conftest import CHECKOUT, Commands

from rootfs_ansible.model.manifest import EdgeKind, Fragment
from rootfs_ansible.pack.image import read_manifest
from rootfs_ansible.pack.reasons import Reasons
from rootfs_ansible.store.layout import Store

pytestmark = pytest.mark.engine

EXAMPLES = sorted(
    yaml.safe_load((CHECKOUT / "inventory" / "apps.yml").read_text())["apps"]["hosts"]
)


@pytest.fixture(scope="module")
def store(commands: Commands) -> Store:
    """The store that has all of the inventory."""
    ended = commands.playbook()
    assert ended.returncode == 0, ended.stdout
    listed = commands.run("rootfs-ansible", "build", CHECKOUT / "examples" / EXAMPLES[0], "--json")
    return Store(Path(yaml.safe_load(listed.stdout)["layout"]))


@pytest.fixture(scope="module", params=EXAMPLES)
def manifest(request: pytest.FixtureRequest, store: Store) -> Fragment:
    return read_manifest(store, request.param)


def test_every_path_has_a_chain_from_what_somebody_declared(manifest: Fragment) -> None:
    reasons = Reasons(manifest)
    paths = {str(entry.path) for entry in manifest.entries}
    packages = {package.name for package in manifest.packages}
    assert len(paths) > 100
    for entry in manifest.entries:
        first, *others = chain = reasons.chain(entry.path)
        # A record is there for its package, of which something is declared or needed.
        assert first.source not in paths, chain
        assert first.kind is EdgeKind.DECLARED or (
            first.kind is EdgeKind.RECORD and first.source in packages
        ), chain
        for before, after in zip(chain, others, strict=False):
            assert before.target == after.source, chain
        assert chain[-1].target == str(entry.path)


def test_every_package_has_a_cost(manifest: Fragment) -> None:
    reasons = Reasons(manifest)
    for package in manifest.packages:
        cost = reasons.cost(package.name)
        assert cost.package.files, package.name
        assert cost.size <= sum(entry.taken for entry in manifest.entries)
