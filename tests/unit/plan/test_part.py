"""Parts of an app as it declares them, and what of them is in nobody's sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rootfs_ansible.drive.sources import Sources
from rootfs_ansible.errors import InputError
from rootfs_ansible.plan.part import Part, parse, patterns


@pytest.fixture
def app(tmp_path: Path) -> Path:
    for name in ("frontend", "admin", "[odd]*"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("frontend")
    (tmp_path / "away").symlink_to("/usr")
    return tmp_path


def part(**more: Any) -> dict[str, Any]:
    return {"directory": "frontend", "outputs": ["dist"], **more}


def test_a_part_is_where_it_was_unless_it_says_otherwise(app: Path) -> None:
    (here,) = parse([part(directory="./frontend/", outputs=["dist/"])], app)
    assert here == Part("frontend", ("dist",), "frontend")
    assert here.targets() == ("frontend/dist",)
    (there,) = parse([part(into="static")], app)
    assert there.targets() == ("static/dist",)
    (root,) = parse([part(into=".")], app)
    assert root.targets() == ("dist",)


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (part(directory="gone"), "gone: there is no such directory"),
        (part(directory="../other"), "../other: it is outside of the app's directory"),
        (part(directory="/srv"), "/srv: it is outside of the app's directory"),
        (part(directory="link"), "link: a link leads from it to"),
        (part(directory="away"), "away: a link leads from it to /usr"),
        (part(into="static/../.."), "frontend: into leads out of the app's directory: .."),
        (part(into="/etc"), "frontend: into leads out of the app's directory: /etc"),
        (part(outputs=[]), "frontend: outputs name nothing"),
        (part(outputs=["../dist"]), "frontend: the output ../dist is outside of it"),
        (part(outputs=["."]), "frontend: the output . is all of it"),
    ],
)
def test_a_part_that_cannot_be_is_refused(app: Path, declared: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match="the parts of the app are not as they must be") as refused:
        parse([declared], app)
    (detail,) = refused.value.details
    assert detail.startswith(said)


def test_all_that_is_wrong_comes_together(app: Path) -> None:
    with pytest.raises(InputError) as refused:
        parse([part(directory="gone"), part(into="/x", outputs=["/y"])], app)
    assert len(refused.value.details) == 3


def test_two_parts_do_not_write_the_same_place(app: Path) -> None:
    two = [part(into="static"), part(directory="admin", into="static")]
    with pytest.raises(InputError) as refused:
        parse(two, app)
    assert refused.value.details == ("frontend and admin both write static/dist",)
    assert len(parse([part(), part(directory="admin")], app)) == 2


def test_what_a_part_makes_and_installs_is_no_source_of_anybody(app: Path) -> None:
    for name in (
        "frontend/dist/old.js",
        "frontend/node_modules/x/index.js",
        "frontend/src/node_modules/y/index.js",
        "frontend/src/app.js",
        "static/dist/old.js",
        "static/logo.svg",
        "node_modules/the-apps-own.js",
        "frontend/[id].js",
        "frontend/i.js",
    ):
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).touch()
    declared = Part("frontend", ("dist", "[id].js"), "static")
    ignored = patterns(declared, ["**/node_modules"], "frontend", "static")
    files = [name for name in Sources(app, ignored).paths() if (app / name).is_file()]
    assert files == [
        "frontend/i.js",
        "frontend/src/app.js",
        "node_modules/the-apps-own.js",
        "static/logo.svg",
    ]


def test_a_place_outside_of_the_sources_is_no_place_of_the_same_name_in_them(app: Path) -> None:
    sources = app / "frontend"
    (sources / "static" / "dist").mkdir(parents=True)
    (sources / "static" / "dist" / "logo.svg").touch()
    ignored = patterns(Part("frontend", ("dist",), "static"), ["/*.js"], ".", "../static")
    assert "static/dist/logo.svg" in Sources(sources, ignored).paths()
    assert ignored == ("/*.js", "dist")
    assert patterns(Part(".", ("dist",), "."), ["**/*.svg", "!x"], "..", "..") == ()


def test_a_directory_with_wildcards_in_its_name_is_meant_literally(app: Path) -> None:
    for name in ("[odd]*/dist/a", "oodd/dist/a"):
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).touch()
    ignored = patterns(Part("[odd]*", ("dist",), "[odd]*"), [], "[odd]*", "[odd]*")
    paths = Sources(app, ignored).paths()
    assert "oodd/dist/a" in paths
    assert "[odd]*/dist/a" not in paths
