"""Which files of a directory are an app's sources."""

from __future__ import annotations

import os
import socket
import tarfile
import tempfile
from pathlib import Path

import pytest
from disks import small_disk

from rootfs_ansible.drive.sources import Sources
from rootfs_ansible.errors import InputError


@pytest.fixture
def app(tmp_path: Path) -> Path:
    directory = tmp_path / "app"
    for path, content in {
        "package.json": "{}",
        "src/index.js": "1",
        "src/deep/er.js": "2",
        "docs/README.md": "3",
        "node_modules/left/index.js": "4",
        "packages/one/node_modules/right/index.js": "5",
    }.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(content)
    return directory


def members(sources: Sources, prefix: str = ".") -> dict[str, tarfile.TarInfo]:
    stream, _ = sources.archive(prefix)
    with stream, tarfile.open(fileobj=stream) as archive:
        return {member.name: member for member in archive}


def files(sources: Sources) -> list[str]:
    return [path for path in sources.paths() if (sources.directory / path).is_file()]


def test_everything_is_a_source_but_what_is_ignored(app: Path) -> None:
    assert files(Sources(app, ("**/node_modules",))) == [
        "docs/README.md",
        "package.json",
        "src/deep/er.js",
        "src/index.js",
    ]


def test_the_directory_says_what_else_is_ignored(app: Path) -> None:
    (app / ".dockerignore").write_text("# not needed\n\ndocs\n**/*.md\n")
    assert files(Sources(app, ("**/node_modules",))) == [
        "package.json",
        "src/deep/er.js",
        "src/index.js",
    ]


def test_the_directory_can_take_back_what_is_ignored_by_default(app: Path) -> None:
    (app / ".dockerignore").write_text("!packages/one/node_modules\n")
    assert "packages/one/node_modules/right/index.js" in files(Sources(app, ("**/node_modules",)))


def test_a_list_of_what_is_wanted_alone_works(app: Path) -> None:
    (app / ".dockerignore").write_text("*\n!src/deep/*.js\n!package.json\n")
    sources = Sources(app)
    assert files(sources) == ["package.json", "src/deep/er.js"]
    assert list(members(sources)) == [".", "./package.json", "./src", "./src/deep",
                                      "./src/deep/er.js"]  # fmt: skip


def test_owner_mode_and_time_are_the_same_everywhere(app: Path) -> None:
    (app / "run.sh").write_text("#!/bin/sh\n")
    (app / "run.sh").chmod(0o4700)
    (app / "src").chmod(0o700)
    (app / "package.json").chmod(0o660)
    before = Sources(app).digest()
    (app / "src").chmod(0o775)
    (app / "package.json").chmod(0o604)
    os.utime(app / "package.json", (1, 1))
    assert Sources(app).digest() == before
    found = members(Sources(app))
    assert {(one.uid, one.gid, one.uname, one.mtime) for one in found.values()} == {
        (0, 0, "", 315619200)
    }
    assert [f"{found[f'./{name}'].mode:o}" for name in ("run.sh", "src", "package.json")] == [
        "755", "755", "644",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        lambda app: (app / "src/index.js").write_text("other"),
        lambda app: (app / "src/index.js").rename(app / "src/main.js"),
        lambda app: (app / "src/index.js").chmod(0o755),
        lambda app: (app / "empty").mkdir(),
        lambda app: (app / "link").symlink_to("src"),
    ],
    ids=["content", "name", "run bit", "directory", "link"],
)
def test_what_a_file_is_decides_the_digest(app: Path, change: object) -> None:
    before = Sources(app).digest()
    assert callable(change)
    change(app)
    assert Sources(app).digest() != before


def test_links_stay_links_and_are_not_followed(app: Path) -> None:
    (app.parent / "secret").mkdir()
    (app.parent / "secret" / "key").write_text("x")
    (app / "out").symlink_to("../secret")
    (app / "away").symlink_to("/nowhere")
    (app / "here").symlink_to("./src//deep")
    found = members(Sources(app), "srv/app")
    assert {name: found[f"srv/app/{name}"].linkname for name in ("out", "away", "here")} == {
        "out": "../secret",
        "away": "/nowhere",
        "here": "./src//deep",
    }
    assert "srv/app/out/key" not in found


def test_sockets_are_passed_over_and_what_cannot_be_copied_is_listed(app: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(app / "socket"))
    assert "./socket" not in members(Sources(app))
    os.mkfifo(app / "one.fifo")
    os.mkfifo(app / "two.fifo")
    with pytest.raises(InputError) as refused:
        Sources(app).archive()
    assert refused.value.details == (
        "one.fifo: is neither a file, a directory nor a link",
        "two.fifo: is neither a file, a directory nor a link",
    )
    assert ".dockerignore" in refused.value.hint


def test_sources_that_are_no_directory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a directory"):
        Sources(tmp_path / "none").paths()


def test_what_is_put_somewhere_has_the_digest_of_the_sources(app: Path) -> None:
    sources = Sources(app)
    (app / "link").symlink_to("src")
    stream, digest = sources.archive("srv/app", 1)
    stream.close()
    assert digest == sources.digest()


@pytest.mark.parametrize("change", ["content", "name", "link", "run bit", "boundary"])
def test_what_differs_has_another_digest(tmp_path: Path, change: str) -> None:
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ab").write_text("c")
        (tmp_path / name / "link").symlink_to("ab")
    after = tmp_path / "after"
    if change == "content":
        (after / "ab").write_text("d")
    elif change == "name":
        (after / "ab").rename(after / "abc")
    elif change == "link":
        (after / "link").unlink()
        (after / "link").symlink_to("ab/")
    elif change == "run bit":
        (after / "ab").chmod(0o755)
    else:
        (after / "ab").rename(after / "a")
        (after / "a").write_text("bc")
    assert Sources(tmp_path / "before").digest() != Sources(after).digest()


def test_a_full_disk_of_temporary_files_is_named(
    app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (app / "big").write_bytes(os.urandom(1 << 20))
    with small_disk(tmp_path / "full") as full:
        monkeypatch.setattr(tempfile, "tempdir", str(full))
        with pytest.raises(InputError) as failed:
            Sources(app).archive()
        assert failed.value.where == str(full)
        assert f"the disk is full when the sources in {app} were copied" in str(failed.value)
        assert "TMPDIR" in failed.value.hint
