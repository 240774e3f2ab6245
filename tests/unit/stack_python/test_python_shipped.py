"""What is shipped of installed packages, and what an image of them runs."""

from __future__ import annotations

import csv
import sys
from base64 import b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.rootfs.builder.plugins.module_utils import python_shipped
from ansible_collections.rootfs.builder.plugins.module_utils.python_shipped import Finish
from ansible_collections.rootfs.builder.plugins.module_utils.step import StepError

PROJECT = {"name": "Web.App", "package": True}


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where packages are installed."""
    place = tmp_path / "local"
    packages = place / "lib" / "packages"
    packages.mkdir(parents=True)
    (tmp_path / "wheels" / "own").mkdir(parents=True)
    monkeypatch.setattr(python_shipped, "INSTALLED", place)
    monkeypatch.setattr(python_shipped, "PACKAGES", packages)
    monkeypatch.setattr(python_shipped, "WHEELS", tmp_path / "wheels")
    monkeypatch.setattr(python_shipped, "SOURCES", tmp_path / "sources")
    monkeypatch.setattr(python_shipped, "DEPENDENCIES", tmp_path / "dependencies")
    return place


@pytest.fixture
def install(local: Path) -> Callable[..., None]:
    """Return what installs a package of files, with console scripts; ``own``: the project's."""

    def installed(name: str, files: Mapping[str, str], *scripts: str, own: bool = False) -> None:
        info = f"{name}-1.0.dist-info"
        points = "[console_scripts]\n" + "".join(f"{script} = x:main\n" for script in scripts)
        content = {
            f"{info}/METADATA": f"Name: {name}\nVersion: 1.0\n",
            f"{info}/INSTALLER": "pip\n",
            f"{info}/REQUESTED": "",
            f"{info}/direct_url.json": '{"url": "file:///var/tmp/x"}',
            f"{info}/entry_points.txt": points,
            **files,
            **{f"../../bin/{script}": "#!/usr/bin/python3\n" for script in scripts},
        }
        for path, text in content.items():
            (local / "lib" / "packages" / path).parent.mkdir(parents=True, exist_ok=True)
            (local / "lib" / "packages" / path).write_text(text)
        record = local / "lib" / "packages" / info / "RECORD"
        record.write_text("".join(f"{path},,\n" for path in (*content, f"{info}/RECORD")))
        if own:
            (local.parent / "wheels" / "own" / f"{name}-1.0-py3-none-any.whl").touch()

    return installed


def compiles(command: list[str], _at: str, _told: dict[str, str]) -> tuple[int, str, str]:
    """Put a file where Python would put the byte code of each source."""
    for path in Path(command[-1]).rglob("*.py"):
        compiled = path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc"
        compiled.parent.mkdir(exist_ok=True)
        compiled.write_bytes(b"code")
    return 0, "", ""


def finish(
    local: Path,
    *excluding: str,
    main: str = "",
    command: tuple[str, ...] = (),
    project: Mapping[str, Any] = PROJECT,
) -> dict[str, Any]:
    (local.parent / "app").mkdir(exist_ok=True)
    return Finish(local.parent / "app", project, compiles).finish(excluding, main, command)


def rows(local: Path, name: str) -> list[str]:
    record = local / "lib" / "packages" / f"{name}-1.0.dist-info" / "RECORD"
    return [row[0] for row in csv.reader(record.open())]


def test_a_record_lists_what_is_there_and_nothing_of_the_installation(
    local: Path, install: Callable[..., None]
) -> None:
    install("web_app", {"web/__init__.py": "", "web/x.c": "", "../../share/man/web.1": ""}, "web",
            own=True)  # fmt: skip
    finish(local, "*.c", "share/man/*")
    tag = sys.implementation.cache_tag
    assert rows(local, "web_app") == [
        "../../bin/web",
        "web/__init__.py",
        f"web/__pycache__/__init__.{tag}.pyc",
        "web_app-1.0.dist-info/METADATA",
        "web_app-1.0.dist-info/RECORD",
        "web_app-1.0.dist-info/entry_points.txt",
    ]
    assert not (local / "share").exists()


def test_a_wheel_without_licences_has_those_of_its_sources(
    local: Path, install: Callable[..., None]
) -> None:
    install("web_app", {"web.py": "", "web_app-1.0.dist-info/licenses/LICENSE": "its own"})
    install("letters", {"letters.py": ""})
    for name in ("web.app-1.0", "Letters-1.0"):
        tree = local.parent / "sources" / name
        tree.mkdir(parents=True)
        for file in ("COPYING.LESSER", "setup.py"):
            (tree / file).write_text("of the sources")
    finish(local, command=("web",))
    assert "letters-1.0.dist-info/licenses/COPYING.LESSER" in rows(local, "letters")
    assert not [name for name in rows(local, "web_app") if "COPYING" in name]


def test_a_module_of_that_name_is_no_licence(local: Path, install: Callable[..., None]) -> None:
    install("letters", {"letters/license.py": ""})
    tree = local.parent / "sources" / "letters-1.0"
    tree.mkdir(parents=True)
    (tree / "LICENSE_BSD").touch()
    finish(local, command=("web",))
    assert "letters-1.0.dist-info/licenses/LICENSE_BSD" in rows(local, "letters")


def test_licences_lie_in_directories_as_well(local: Path, install: Callable[..., None]) -> None:
    licence = "letters-1.0.dist-info/licenses/vendored/LICENSE"
    install("letters", {licence: "its own"})
    finish(local, command=("web",))
    assert licence in rows(local, "letters")


def test_a_record_is_that_of_the_package_and_not_of_one_that_it_holds(
    local: Path, install: Callable[..., None]
) -> None:
    held = "letters/_vendor/other-2.0.dist-info/RECORD"
    install("letters", {"letters/x.c": "", held: "other.py,,\n"})
    finish(local, "*.c", command=("web",))
    assert (local / "lib" / "packages" / held).read_text() == "other.py,,\n"
    assert "letters/x.c" not in rows(local, "letters")


def test_a_file_of_two_packages_is_left_out_once(local: Path, install: Callable[..., None]) -> None:
    for name in ("letters", "words"):
        install(name, {"../../share/man/both.1": ""})
    finish(local, "share/man/*", command=("web",))
    assert not (local / "share").exists()


def test_the_project_is_parted_from_what_it_depends_on(
    local: Path, install: Callable[..., None]
) -> None:
    install("web_app", {"web/__init__.py": ""}, "web", own=True)
    install("letters", {"web/plugin.py": "", "../../share/letters.txt": ""}, "letters")
    found = finish(local)
    names = {Path(path).relative_to(local).as_posix() for path in found["installed"]}
    assert {"bin/web", "lib/packages/web/__init__.py"} <= names
    assert not [name for name in names if "plugin" in name or "letters" in name]
    assert found["dependencies"] == [
        str(local / "bin" / "letters"),
        str(local / "lib" / "packages"),
        str(local / "share" / "letters.txt"),
    ]
    assert found["files"] == []


class TestCommand:
    def test_is_the_only_script(self, local: Path, install: Callable[..., None]) -> None:
        install("web_app", {"web.py": ""}, "serve", own=True)
        install("flask", {"flask.py": ""}, "flask", "other")
        assert finish(local)["command"] == [str(local / "bin" / "serve")]

    def test_is_of_several_the_one_of_the_projects_name(
        self, local: Path, install: Callable[..., None]
    ) -> None:
        install("web_app", {"web.py": ""}, "web-app", "web-admin", own=True)
        assert finish(local)["command"] == [str(local / "bin" / "web-app")]
        assert finish(local, main="web-admin")["command"] == [str(local / "bin" / "web-admin")]

    def test_is_else_not_clear(self, local: Path, install: Callable[..., None]) -> None:
        install("web_app", {"web.py": ""}, "one", "two", own=True)
        with pytest.raises(StepError, match="has several scripts") as raised:
            finish(local)
        assert raised.value.hint.startswith("set stack_python_main to one of one, two")
        with pytest.raises(StepError, match="there is no script three"):
            finish(local, main="three")

    def test_is_the_package_that_can_be_run(
        self, local: Path, install: Callable[..., None]
    ) -> None:
        install("web_app", {"web/__main__.py": "", "web/sub/__main__.py": ""}, own=True)
        assert finish(local)["command"] == ["/usr/bin/python3", "-m", "web"]

    def test_is_the_directory_that_can_be_run(self, local: Path) -> None:
        app = local.parent / "app"
        app.mkdir()
        (app / "__main__.py").touch()
        found = finish(local, project={"name": "", "package": False})
        assert found["command"] == ["/usr/bin/python3", str(app / "__main__.py")]
        assert found["files"] == [str(app)]

    def test_is_what_an_option_says(self, local: Path, install: Callable[..., None]) -> None:
        install("web_app", {"web.py": ""}, own=True)
        found = finish(local, command=("python", "src/web.py"))
        assert found["command"] == []
        assert found["scripts"] == [str(local.parent / "app" / "src" / "web.py")]

    def test_is_nothing_that_nobody_says(self, local: Path, install: Callable[..., None]) -> None:
        install("web_app", {"web.py": ""}, own=True)
        with pytest.raises(StepError, match="nothing says what the image runs") as raised:
            finish(local)
        assert "[project.scripts]" in raised.value.hint


def test_what_was_fetched_is_a_component_with_the_digest_of_its_archive(
    local: Path, install: Callable[..., None]
) -> None:
    install("web_app", {"web.py": ""}, "web", own=True)
    for name in ("Six.More", "letters", "twice"):
        install(name, {f"{name}.py": ""})
    fetched = local.parent / "dependencies"
    fetched.mkdir()
    for name in ("six_more-1.0-py3-none-any.whl", "Letters-1.0.tar.gz", "twice-1.0.zip",
                 "twice-1.1.zip", "other-1.0.zip"):  # fmt: skip
        (fetched / name).write_text(name)
    packages = local / "lib" / "packages"
    assert finish(local)["components"] == [
        {
            "type": "pypi",
            "name": name,
            "version": "1.0",
            "integrity": f"sha256-{b64encode(sha256(archive.encode()).digest()).decode()}",
            "paths": [str(packages / f"{name}-1.0.dist-info" / "METADATA")],
        }
        for name, archive in (
            ("letters", "Letters-1.0.tar.gz"), ("Six.More", "six_more-1.0-py3-none-any.whl"),
        )
    ]  # fmt: skip
