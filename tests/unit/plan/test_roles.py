"""The roles of an app: where they are found, and what decides their result."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from rootfs_ansible.errors import InputError
from rootfs_ansible.model.plan import Role, Roles
from rootfs_ansible.plan.roles import find_roles, roles_of

TREE = {
    "site/tasks/main.yml": "- ansible.builtin.template: {src: site.conf.j2, dest: /etc/site.conf}",
    "site/templates/site.conf.j2": "listen {{ site_port }};",
    "site/defaults/main.yml": "site_port: 80",
    "site/files/page.html": "{{ not_a_template }}",
    "site/meta/main.yml": "dependencies: [common]",
    "common/tasks/main.yml": "- ansible.builtin.debug: {msg: '{{ zone }}'}",
    "reader/tasks/main.yml": "- ansible.builtin.copy: {src: '{{ rootfs_app_dir }}/x', dest: /x}",
    "maker/tasks/main.yml": "- ansible.builtin.debug: {msg: \"{{ lookup('vars', 'si' ~ 'te') }}\"}",
}
VARIABLES: dict[str, Any] = {
    "not_a_template": 1,
    "rootfs_app_dir": "",
    "site_name": "a",
    "site_port": "{{ base_port + 1 }}",
    "base_port": 8000,
    "unrelated": "x",
    "zone": "UTC",
}


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, ...]:
    for name, text in TREE.items():
        path = tmp_path / "roles" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return (tmp_path / "roles",)


def applied(places: tuple[Path, ...], name: str, **changed: Any) -> Roles:
    given = {**VARIABLES, **changed}
    found = find_roles([name], places, lambda _: None)
    return roles_of(found, searches(places), given, lambda name: given[name])


def from_home(role: Path) -> str:
    return f"~/{os.path.relpath(role, Path.home().resolve())}"


def searches(places: tuple[Path, ...]) -> tuple[tuple[Path, str], ...]:
    return tuple((place, "") for place in places)


def test_the_first_place_that_has_a_role_wins(tmp_path: Path, places: tuple[Path, ...]) -> None:
    own = tmp_path / "app" / "roles"
    (own / "site").mkdir(parents=True)
    in_collection = tmp_path / "nginx_core" / "roles" / "nginx"
    found = find_roles(
        ["site", "common", "nginxinc.nginx_core.nginx"],
        (own, *places),
        lambda name: in_collection if name == "nginxinc.nginx_core.nginx" else None,
    )
    assert found == (
        Role("site", str(own / "site"), from_home(own / "site")),
        Role("common", str(places[0] / "common"), from_home(places[0] / "common")),
        Role("nginxinc.nginx_core.nginx", str(in_collection), "nginxinc.nginx_core.nginx"),
    )


def test_every_role_that_is_nowhere_is_named(places: tuple[Path, ...]) -> None:
    with pytest.raises(InputError) as caught:
        find_roles(["geerlingguy.nginx", "site", "no.such.role", ""], places, lambda _: None)
    assert str(caught.value) == (
        "rootfs_roles: there is no role geerlingguy.nginx, no.such.role, ''\n"
        f"  - looked for in {places[0]}\n"
        "Hint: put it there, or install it (ansible-galaxy role install, or a collection)"
    )


def test_an_app_without_roles_has_no_digest(places: tuple[Path, ...]) -> None:
    assert roles_of((), searches(places), VARIABLES, lambda name: name) == Roles()


@pytest.mark.parametrize("path", [path for path in TREE if path.startswith(("site/", "common/"))])
def test_every_file_of_a_role_and_its_dependencies_decides(
    places: tuple[Path, ...], path: str
) -> None:
    before = applied(places, "site").digest
    (places[0] / path).write_text(f"{TREE[path]} ")
    assert applied(places, "site").digest != before


@pytest.mark.parametrize(
    ("role", "variable", "decides"),
    [
        ("site", "site_port", True),
        # Named by the value of another, and by a dependency.
        ("site", "base_port", True),
        ("site", "zone", True),
        ("site", "site_name", False),
        # What a role copies as it is names no variables.
        ("site", "not_a_template", False),
        ("site", "unrelated", False),
        ("common", "site_port", False),
        # A name that is made up may be any.
        ("maker", "unrelated", True),
    ],
)
def test_the_variables_that_a_role_names_decide(
    places: tuple[Path, ...], role: str, variable: str, decides: bool
) -> None:
    before = applied(places, role).digest
    assert (applied(places, role, **{variable: "changed"}).digest != before) is decides


def test_a_role_that_names_the_apps_directory_reads_its_files(places: tuple[Path, ...]) -> None:
    assert applied(places, "reader").reads_sources
    assert not applied(places, "site").reads_sources
    # Where the directory is decides nothing.
    moved = applied(places, "reader", rootfs_app_dir="/elsewhere")
    assert moved.digest == applied(places, "reader").digest


def test_a_variable_in_a_linked_directory_of_a_role_decides(places: tuple[Path, ...]) -> None:
    (places[0] / "site" / "templates").rename(places[0].parent / "shared")
    (places[0] / "site" / "templates").symlink_to("../../shared")
    (places[0] / "site" / "defaults" / "main.yml").unlink()
    before = applied(places, "site").digest
    assert applied(places, "site", site_port=8081).digest != before


def test_a_file_that_a_variable_names_decides_by_what_is_in_it(places: tuple[Path, ...]) -> None:
    """A team's own template for a role of others, wherever its checkout is."""

    def digest(checkout: str, text: str) -> str:
        path = places[0].parent / checkout / "site.conf"
        path.parent.mkdir()
        path.write_text(text)
        given = {"zone": "{{ inventory_dir }}/site.conf"}
        found = find_roles(["common"], places, lambda _: None)
        return roles_of(found, searches(places), given, lambda _: str(path)).digest

    before = digest("here", "listen 80;")
    assert digest("there", "listen 80;") == before
    assert digest("elsewhere", "listen 81;") != before


def test_the_plugins_of_the_collection_of_a_role_decide(places: tuple[Path, ...]) -> None:
    before = applied(places, "site").digest
    module = places[0].parent / "plugins" / "modules" / "site_user.py"
    module.parent.mkdir(parents=True)
    module.write_text("# one")
    # Beside roles of no collection is what is no plugin of theirs.
    assert applied(places, "site").digest == before
    (places[0].parent / "galaxy.yml").write_text("name: web")
    before = applied(places, "site").digest
    module.write_text("# two")
    assert applied(places, "site").digest != before
