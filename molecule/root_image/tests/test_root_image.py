"""A root image as a stack's role finds it: apt and Python work, and no service starts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from testinfra.host import Host

from rootfs_ansible.exporter import zipapp


@pytest.fixture(scope="module", params=["root_image_new", "root_image_existing"])
def host(request: pytest.FixtureRequest, container: Callable[[str], Host]) -> Host:
    return container(request.param)


@pytest.fixture(scope="module")
def service(host: Host) -> str:
    """Install a package that has a service, documentation and recommendations of its own."""
    return host.check_output("DEBIAN_FRONTEND=noninteractive apt-get install --yes cron 2>&1")


def test_python_has_what_ansibles_modules_import(host: Host) -> None:
    read = "import apt; print(apt.Cache()['python3-apt'].is_installed)"
    assert host.check_output(f'python3 -c "{read}"') == "True"


def test_the_package_lists_are_there_before_any_update(host: Host) -> None:
    assert "Inst nodejs" in host.check_output("apt-get install --simulate nodejs")


def test_every_package_has_its_licence(host: Host) -> None:
    without = host.check_output(
        "dpkg-query --show --showformat '${binary:Package}\\n' | cut -d: -f1"
        ' | while read name; do test -e "/usr/share/doc/$name/copyright" || echo "$name"; done'
    )
    assert without == ""


def test_no_service_starts(host: Host, service: str) -> None:
    assert host.file("/usr/sbin/cron").is_file, service
    assert "denied" in host.run("invoke-rc.d cron start").stderr
    assert "cron" not in host.check_output("cat /proc/[0-9]*/comm").split()


def test_documentation_is_not_filtered(host: Host, service: str) -> None:
    for path in (
        "/usr/share/doc/cron/copyright",
        "/usr/share/doc/cron/changelog.Debian.gz",
        "/usr/share/man/man8/cron.8.gz",
    ):
        assert host.file(path).is_file, service


def test_an_installation_brings_nothing_that_it_did_not_ask_for(host: Host, service: str) -> None:
    recommended = host.check_output("dpkg-query --show --showformat '${Recommends}' cron")
    assert "mail-transport-agent" in recommended, service
    assert not host.exists("sendmail")


def test_an_installation_leaves_nothing_of_apts_own(host: Host, service: str) -> None:
    assert host.check_output("find /var/cache/apt -type f ! -name lock") == "", service
    assert host.check_output("find /var/lib/apt/lists -name '*_Packages'") == ""


def test_nothing_of_ansible_is_left(host: Host) -> None:
    assert host.check_output("find /root /tmp /var/tmp -mindepth 1 -iname '*ansible*'") == ""


def test_the_exporter_runs_with_its_python(host: Host, tmp_path: Path) -> None:
    request = {
        "layers": ["runtime"],
        "outputs": [{"layer": "runtime", "by": "test", "path": "/usr/bin/true"}],
        "scope": "all",
        "epoch": 0,
    }
    zipapp(tmp_path / "exporter.pyz")
    (tmp_path / "request.json").write_text(json.dumps(request))
    subprocess.run(
        ["docker", "cp", f"{tmp_path}/.", f"{host.backend.name}:/tmp/exporter"], check=True
    )
    host.check_output(
        "cd /tmp/exporter && python3 exporter.pyz --root / --request request.json --output out"
    )
    fragment = json.loads(host.check_output("cat /tmp/exporter/out/fragment.json"))
    paths = {entry["path"] for entry in fragment["entries"]}
    assert {"/usr/bin/true", "/usr/share/doc/coreutils/copyright"} <= paths
    assert any(path.endswith("/libc.so.6") for path in paths)
