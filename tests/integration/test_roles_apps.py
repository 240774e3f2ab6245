"""Images of what roles make: services of the examples, roles of every kind, and how others fail."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import CHECKOUT, Commands
from runs import Run, write
from scans import listed, scanned
from services import UNWANTED, Docker, Rootfs

pytestmark = pytest.mark.engine

PSQL = ("/usr/lib/postgresql/17/bin/psql", "-h", "/tmp", "-U", "postgres", "-tAc")

# A role as teams have them: accounts, become, templates, handlers, and services that systemd keeps.
TEAM = {
    "roles/team/tasks/main.yml": """\
- name: Create the account
  ansible.builtin.user: {name: team, uid: 3000, shell: /usr/sbin/nologin, create_home: false}
- name: Make its place
  ansible.builtin.file: {path: /srv/team, state: directory, owner: team, mode: "0755"}
- name: Make a place that a group writes
  ansible.builtin.file:
    {path: /srv/team/spool, state: directory, owner: team, group: mail, mode: "2770"}
- name: Write who is at work
  ansible.builtin.shell: umask 027 && id -un > /srv/team/whoami
  become: true
  become_user: team
- name: Configure
  ansible.builtin.template:
    {src: team.conf.j2, dest: /srv/team/team.conf, mode: "0600", owner: team}
  notify: Reload the team
- name: Copy what comes with the app
  ansible.builtin.copy:
    {src: "{{ rootfs_app_dir }}/notes.txt", dest: /srv/team/notes.txt, mode: "0644"}
- name: Look at the app on the controller
  ansible.builtin.stat: {path: "{{ rootfs_app_dir }}/notes.txt"}
  delegate_to: localhost
  register: team_notes
- name: Refuse to work without it
  ansible.builtin.assert: {that: team_notes.stat.exists}
- name: Install a unit
  ansible.builtin.copy:
    content: "[Service]\\nExecStart=/bin/true\\n"
    dest: /etc/systemd/system/team.service
    mode: "0644"
- name: Have the unit started
  ansible.builtin.systemd_service: {name: team, enabled: true, state: started, daemon_reload: true}
""",
    "roles/team/handlers/main.yml": """\
- name: Reload the team
  ansible.builtin.copy: {content: reloaded, dest: /srv/team/reloaded, mode: "0644"}
""",
    "roles/team/templates/team.conf.j2": (
        "{{ team_word }} on {{ ansible_facts['distribution_release'] }},"
        " {{ ansible_facts['service_mgr'] }}\n"
    ),
    "roles/team/meta/main.yml": "dependencies: [tool]\n",
    "roles/tool/tasks/main.yml": "- ansible.builtin.apt: {name: [jq, git], state: present}\n",
    "notes.txt": "grüße\n",
}
# Other apps, built at the same time, two with one role: it has the same name as the team's, and
# handlers of the same names.
NEIGHBOUR = {
    "roles/team/tasks/main.yml": """\
- name: Make the place
  ansible.builtin.file: {path: /srv/neighbour, state: directory, mode: "0755"}
- name: Say who this is
  ansible.builtin.copy:
    content: "{{ role_name | loud }} {{ ansible_service_mgr }}\\n"
    dest: /srv/neighbour/name
    mode: "0644"
  run_once: true
  notify: [Reload the team, "team : Sign"]
""",
    "roles/team/handlers/main.yml": """\
- name: Reload the team
  ansible.builtin.copy: {content: elsewhere, dest: /srv/neighbour/reloaded, mode: "0644"}
- name: Sign
  ansible.builtin.copy: {content: signed, dest: /srv/neighbour/signed, mode: "0644"}
""",
    "roles/team/filter_plugins/loud.py": """\
class FilterModule:
    def filters(self):
        return {"loud": str.upper}
""",
}
OUTPUTS: list[dict[str, Any]] = [
    {"path": "/srv/team"},
    {"path": "/etc/systemd/system/**"},
    {"package": "jq"},
]
FAILING: Mapping[str, tuple[str, dict[str, Any]]] = {
    "roles-broken": (
        "- name: Begin\n  ansible.builtin.apt: {name: jq}\n"
        "- name: Fail halfway\n  ansible.builtin.command: /bin/false\n",
        {},
    ),
    "roles-handler": (
        "- name: Begin\n  ansible.builtin.command: /bin/true\n  notify: Restart what is nowhere\n",
        {},
    ),
    "roles-nothing": (
        "- name: Begin\n"
        "  ansible.builtin.file: {path: /srv/made, state: directory, mode: '0755'}\n",
        {"rootfs_outputs": [{"path": "/srv/made"}, {"path": "/srv/never/*"}, {"package": "nginx"}]},
    ),
    "roles-unit": (
        "- name: Start what is nowhere\n"
        "  ansible.builtin.service: {name: nowhere, state: started}\n",
        {},
    ),
    "roles-idle": (
        "- name: Begin\n  ansible.builtin.command: /bin/true\n",
        {"rootfs_outputs": [], "rootfs_command": []},
    ),
    "roles-syntax": ("- name: Begin\n  ansible.builtin.command: [\n", {}),
    "roles-module": ("- name: Begin\n  no_such_module: {}\n", {}),
    "roles-unknown": ("[]", {"rootfs_roles": ["role", "geerlingguy.nginx"]}),
}
HANDLER = """\
- name: Restart what is nowhere
  ansible.builtin.systemd_service: {name: nowhere, state: restarted}
"""


@dataclass(frozen=True)
class Built(Run):
    """The run, with what the team's app is made of."""

    @property
    def inventory(self) -> Path:
        return self.directory / "inventory.json"

    @property
    def tree(self) -> Path:
        return self.rootfs("team")


@pytest.fixture(scope="module")
def built(commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The examples, an app of a team's roles, and those that fail: one run of the playbook."""
    directory = tmp_path_factory.mktemp("roles")
    (directory / "rootfs").mkdir()
    write(directory / "team", TEAM)
    apps: dict[str, dict[str, Any]] = {
        "team": {
            "rootfs_app_dir": str(directory / "team"),
            "rootfs_roles": ["team"],
            "rootfs_outputs": OUTPUTS,
            "rootfs_command": ["/usr/bin/jq", "--version"],
            "rootfs_image_name": "test-team",
            "rootfs_format": ["dir"],
            "rootfs_output": str(directory / "rootfs" / "team"),
            "team_word": "ready",
        }
    }
    write(directory / "neighbour", NEIGHBOUR)
    for name in ("neighbour", "twin"):
        apps[name] = {
            "rootfs_app_dir": str(directory / "neighbour"),
            "rootfs_roles": ["team"],
            "rootfs_outputs": [{"path": "/srv/neighbour"}],
            "rootfs_command": ["/usr/bin/tini"],
            "rootfs_image_name": f"test-{name}",
            "rootfs_format": ["dir"],
            "rootfs_output": str(directory / "rootfs" / name),
        }
    for name, (tasks, options) in FAILING.items():
        files = {"roles/role/tasks/main.yml": tasks, "roles/role/handlers/main.yml": HANDLER}
        write(directory / name, files)
        apps[name] = {
            "rootfs_app_dir": str(directory / name),
            "rootfs_roles": ["role"],
            "rootfs_command": ["/usr/bin/tini"],
            **options,
        }
    for options in apps.values():
        options["rootfs_stack"] = "roles"
    inventory = directory / "inventory.json"
    inventory.write_text(json.dumps({"apps": {"hosts": apps}}))
    ended = commands.playbook("-i", str(inventory), "-i", "inventory", "--limit", ",".join(
        [*apps, "nginx-site", "postgresql", "redis"]))  # fmt: skip
    assert ended.returncode != 0, ended.stdout
    return Built(directory, ended.stdout + ended.stderr)


@contextmanager
def running(docker: Docker, image: str, *options: str) -> Iterator[str]:
    """Run an image as production would, and give its container's name."""
    locked = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp")
    with docker.running(*locked, *options, image) as name:
        yield name


def until(docker: Docker, *command: str) -> str:
    """Run a command until it succeeds."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return docker(*command)
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@pytest.fixture(scope="module", params=["nginx-site", "postgresql", "redis"])
def shipped(
    request: pytest.FixtureRequest, built: Built, docker: Docker, tmp_path_factory: Any
) -> tuple[str, Rootfs]:
    """Each example: its name and its tree, as the engine gives it back."""
    assert f"image   {request.param}:latest" in built.output
    container = docker("create", f"{request.param}:latest")
    try:
        place = tmp_path_factory.mktemp("export") / "rootfs.tar"
        return request.param, Rootfs(docker.write(["export", container], place))
    finally:
        docker("rm", "--volumes", container)


PROGRAMS = {
    "nginx-site": {"nginx", "tini"},
    "redis": {
        "redis-benchmark", "redis-check-aof", "redis-check-rdb", "redis-cli", "redis-server",
        "tini",
    },
}  # fmt: skip


def test_an_example_holds_its_programs_and_no_others(shipped: tuple[str, Rootfs]) -> None:
    name, tree = shipped
    places = ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin")
    found = {
        Path(path).name
        for path, member in tree.members.items()
        if path.startswith(places) and not member.isdir()
    }
    if name != "postgresql":
        assert found == PROGRAMS[name]
        return
    # Its helpers run through a shell, so its inventory declares one; no other tool is there.
    shell = {"dash", "sh"}
    unwanted = set().union(*UNWANTED.values()) - shell
    assert found & unwanted == set()
    assert found > shell | {"postgresql-start", "psql", "tini"}


def test_an_example_shows_nothing_of_how_it_was_made(shipped: tuple[str, Rootfs]) -> None:
    _, tree = shipped
    traces = (".ansible", "/run/rootfs", "/var/lib/apt", "/var/lib/dpkg/info", "systemctl",
              "/var/lib/dpkg/status/", "/usr/lib/python3", "policy-rc.d", "/.cache/")  # fmt: skip
    assert [path for path in tree.members for trace in traces if trace in f"{path}/"] == []
    assert [path for path in tree.files() if b"/run/rootfs" in tree.content(path)] == []


def test_an_example_gives_nobody_more_rights(shipped: tuple[str, Rootfs]) -> None:
    _, tree = shipped
    assert [path for path in tree.files() if tree.members[path].mode & 0o6000] == []
    assert [
        path for path, member in tree.members.items() if not member.issym() and member.mode & 0o002
    ] == ["/tmp"]


@pytest.mark.parametrize("name", ["nginx-site", "postgresql"])
def test_a_scanner_sees_what_we_say_is_there_and_nothing_else(
    built: Built, commands: Commands, docker: Docker, tmp_path: Path, name: str
) -> None:
    assert f"image   {name}:latest" in built.output
    seen = scanned(docker.write(["save", f"{name}:latest"], tmp_path / "image.tar"))
    printed = commands.run("rootfs-ansible", "sbom", name, "--format", "cyclonedx").stdout
    assert seen == listed(json.loads(printed))
    assert set(seen) == {"deb"}


def test_nginx_serves_a_site(built: Built, docker: Docker) -> None:
    assert "image   nginx-site:latest" in built.output
    with running(docker, "nginx-site:latest", "--publish=127.0.0.1::8080") as name:
        address = docker("port", name, "8080").split()[0]
        fetch = ("curl", "--silent", "--fail", "--retry", "20", "--retry-all-errors",
                 "--retry-delay", "1")  # fmt: skip
        page = subprocess.check_output([*fetch, f"http://{address}/"], text=True)
        assert "日本語" in page
        greeting = subprocess.check_output([*fetch, f"http://{address}/greeting"], text=True)
        # The inventory's word, over the role's own.
        assert greeting == "Goddag\n"
        assert docker("top", name).count("nginx: worker process") == 2
        assert docker.stop(name) == 0


def test_redis_keeps_what_it_is_told(docker: Docker) -> None:
    volume = f"rootfs-test-{time.monotonic_ns()}"
    try:
        for words, answer in (("set word naïve", "OK"), ("get word", "naïve")):
            with running(docker, "redis:latest", f"--volume={volume}:/data") as name:
                until(docker, "exec", name, "redis-cli", "ping")
                assert docker("exec", name, "redis-cli", *words.split()) == answer
                assert docker.stop(name) == 0
    finally:
        docker("volume", "rm", "--force", volume)


def test_postgresql_makes_its_cluster_in_the_clean_rootfs(docker: Docker) -> None:
    with running(docker, "postgresql:latest") as name:
        until(docker, "exec", name, *PSQL, "select 1")
        query = (
            "select upper('ærlig'), to_char('2026-07-01 12:00Z'::timestamptz"
            " at time zone 'Asia/Kathmandu', 'HH24:MI')"
        )
        assert docker("exec", name, *PSQL, query) == "ÆRLIG|17:45"
        # Its data: an extension, which is a library and scripts.
        docker("exec", name, *PSQL, "create extension pg_trgm")
        assert float(docker("exec", name, *PSQL, "select similarity('word', 'two words')")) > 0.3
        docker("stop", "--time", "20", name)
        assert "database system is shut down" in docker("logs", name)


def test_what_a_role_makes_keeps_its_owner_and_mode(built: Built) -> None:
    found = {
        path.name: (f"{path.stat().st_mode & 0o7777:04o}", path.stat().st_uid, path.stat().st_gid)
        for path in (built.tree / "srv/team").iterdir()
    }
    assert found == {
        "notes.txt": ("0644", 0, 0),
        "reloaded": ("0644", 0, 0),
        "spool": ("2770", 3000, 8),
        "team.conf": ("0600", 3000, 0),
        "whoami": ("0640", 3000, 3000),
    }
    assert (built.tree / "srv/team/notes.txt").read_text() == "grüße\n"
    assert (built.tree / "srv/team/whoami").read_text() == "team\n"


def test_a_role_finds_facts_and_a_systemd_that_starts_nothing(built: Built) -> None:
    assert (built.tree / "srv/team/team.conf").read_text() == "ready on trixie, systemd\n"
    link = built.tree / "etc/systemd/system/multi-user.target.wants/team.service"
    assert link.is_symlink()
    assert "no service is started at a build, as roles asked: team.service" in built.output
    assert not [path for path in built.tree.rglob("systemctl*") if path.is_file()]


@pytest.mark.parametrize("app", ["neighbour", "twin"])
def test_apps_whose_roles_have_one_name_are_made_as_each_alone(built: Built, app: str) -> None:
    place = built.rootfs(app) / "srv/neighbour"
    assert {path.name: path.read_text() for path in place.iterdir()} == {
        "name": "TEAM systemd\n",
        "reloaded": "elsewhere",
        "signed": "signed",
    }
    assert (built.tree / "srv/team/reloaded").read_text() == "reloaded"


def test_the_accounts_of_what_is_shipped_are_there_and_no_others(built: Built) -> None:
    def names(file: str) -> list[str]:
        return [line.split(":")[0] for line in (built.tree / "etc" / file).read_text().split()]

    assert names("passwd") == ["root", "team", "app"]
    assert names("group") == ["root", "mail", "team", "app"]


def test_only_what_outputs_name_is_shipped(built: Built, docker: Docker) -> None:
    """The role that it depends on installed git as well."""
    assert docker("run", "--rm", "test-team:latest").startswith("jq-")
    assert {path.name for path in (built.tree / "usr/bin").iterdir()} == {"jq", "tini"}


def test_a_variable_that_a_role_names_makes_it_run_again(built: Built, commands: Commands) -> None:
    words = ("-i", str(built.inventory), "--limit", "team")
    told = {
        change: commands.playbook(*words, "-e", change, "--check").stdout
        for change in ("team_unheard=1", "team_word=other")
    }
    assert "test-team:latest is in the store" in told["team_unheard=1"]
    assert re.search(r"runtime +is there\n +system +to run", told["team_word=other"])


def test_a_file_that_roles_read_makes_them_run_again(built: Built, commands: Commands) -> None:
    notes = built.directory / "team" / "notes.txt"
    notes.write_text("other\n")
    told = commands.playbook("-i", str(built.inventory), "--limit", "team", "--check").stdout
    notes.write_text(TEAM["notes.txt"])
    assert re.search(r"system +to run", told)


@pytest.mark.parametrize(
    ("app", "told"),
    [
        ("roles-broken", ["non-zero return code"]),
        ("roles-handler", ["Could not find the requested service nowhere"]),
        ("roles-nothing", [
            "something that must be shipped is nowhere in the tree",
            "/srv/never/* matches nothing (declared by roles-nothing, layer app)",
            "package nginx is not installed (declared by roles-nothing, layer system)",
        ]),
        ("roles-unit", ["Could not find the requested service nowhere"]),
        ("roles-idle", ["nothing says what the image runs", "rootfs_command"]),
        ("roles-syntax", ["rootfs_roles: Ansible cannot read this", "YAML parsing failed",
                          "roles/role/tasks/main.yml:3"]),
        ("roles-module", ["couldn't resolve module/action 'no_such_module'",
                          "roles/role/tasks/main.yml:1"]),
        ("roles-unknown", [
            "rootfs_roles: there is no role geerlingguy.nginx",
            "ansible-galaxy role install",
        ]),
    ],
)  # fmt: skip
def test_a_failure_says_what_and_where(built: Built, app: str, told: list[str]) -> None:
    message = built.message(app)
    for part in told:
        assert part in message
    assert f"image   {app}:latest" not in built.output


def test_nothing_is_left_behind(built: Built, docker: Docker) -> None:
    assert "roles-broken" in built.output
    names = docker("ps", "--all", "--format", "{{.Names}}").split()
    assert [name for name in names if re.search(r"-(team|roles-\w+)-", name)] == []


def test_an_app_cannot_have_roles_applied_by_itself(commands: Commands, tmp_path: Path) -> None:
    """Roles run on the controller in part: who may say which is who writes the inventory."""
    write(tmp_path / "shop", {**TEAM, "rootfs.yml": "rootfs_stack: roles\nrootfs_roles: [team]\n"})
    ended = commands.run("rootfs-ansible", "build", tmp_path / "shop", cwd=CHECKOUT)
    assert ended.returncode == 1
    assert "an app cannot say this of itself" in ended.stderr
    assert "rootfs_roles" in ended.stderr
