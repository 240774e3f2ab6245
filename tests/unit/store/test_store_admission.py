"""What comes back from a container is checked before a byte of it enters the store."""

from __future__ import annotations

import io
import json
import os
import tarfile
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from exports import Export, export
from fuzzing import fuzzed
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from rootfs_ansible.errors import UntrustedError
from rootfs_ansible.model.manifest import EdgeKind, Entry, Fragment, Kind, Layer, Need, Package
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.store import Store, read_fragment

TREE = """
runtime /lib                    -> usr/lib
runtime /usr                    dir 0755
runtime /usr/bin                dir 0755
runtime /usr/bin/ping           file 0755 0:0 security.capability=0100000200200000 icmp
runtime /usr/lib                dir 0755
runtime /usr/lib/libz.so.1      -> libz.so.1.3
runtime /usr/lib/libz.so.1.3    file 0644 zlib
app     /app                    dir 0755 65532:65532
app     /app/Grüße-\udcff       file 0644 65532:65532 names of any bytes
app     /app/index.js           file 0644 console.log(1)
app     /app/main.js            file 0644 65532:65532 console.log(2)
app     /app/same.js            = /app/index.js
app     /tmp                    dir 1777
empty
"""


@pytest.fixture
def exported(tmp_path: Path) -> Export:
    return export(tmp_path / "exported", TREE)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def admit(store: Store, exported: Export) -> Fragment:
    return store.admit(exported.fragment, exported.directory, exported.epoch)


def refused(store: Store, exported: Export) -> str:
    """The text of the refusal; nothing of the export may be in the store."""
    with pytest.raises(UntrustedError) as caught:
        admit(store, exported)
    assert blobs(store) == []
    aside = store.directory / "aside"
    assert not aside.exists() or list(aside.iterdir()) == []
    return str(caught.value)


def blobs(store: Store) -> list[str]:
    directory = store.directory / "blobs" / "sha256"
    return sorted(path.name for path in directory.iterdir()) if directory.exists() else []


def test_an_honest_export_is_kept_layer_by_layer(store: Store, exported: Export) -> None:
    assert admit(store, exported) == exported.fragment
    assert store.holds(exported.fragment)
    for layer in exported.fragment.layers:
        assert store.blob(layer.digest).read_bytes() == exported.tar(layer.name).read_bytes()


def test_an_export_that_is_there_already_is_checked_again(store: Store, exported: Export) -> None:
    admit(store, exported)
    lie = exported.with_entry("/usr/lib/libz.so.1.3", lambda entry: replace(entry, mode=0o600))
    with pytest.raises(UntrustedError, match="its mode is 0644 in the tar, not 0600"):
        admit(store, lie)
    admit(store, exported)


def test_every_finding_is_in_one_message(store: Store, exported: Export) -> None:
    lie = exported.with_entry("/usr/lib/libz.so.1.3", lambda entry: replace(entry, mode=0o600))
    lie = lie.with_entry("/app/main.js", lambda entry: replace(entry, sha256="0" * 64))
    text = refused(store, lie)
    assert "/usr/lib/libz.so.1.3: its mode is 0644 in the tar, not 0600" in text
    assert "/app/main.js: its sha256 is" in text


def test_a_thousand_findings_are_counted(store: Store, tmp_path: Path) -> None:
    text = "\n".join(["app /app dir 0755", *(f"app /app/{n} file 0644 x" for n in range(1000))])
    exported = export(tmp_path / "exported", text)
    assert "and 951 more" in refused(store, replace(exported, epoch=1))


Change = Callable[[Entry], Entry]


@pytest.mark.parametrize(
    ("path", "change", "finding"),
    [
        ("/app/main.js", lambda e: replace(e, size=3), "its size is 14 in the tar, not 3"),
        ("/app/main.js", lambda e: replace(e, uid=0), "its owner is 65532:65532 in the tar"),
        ("/app/main.js", lambda e: replace(e, mode=0o4755), "setuid or setgid bit (mode 4755)"),
        ("/app/main.js", lambda e: replace(e, mode=0o2755), "setuid or setgid bit (mode 2755)"),
        ("/app/main.js", lambda e: replace(e, layer="runtime"), "is in the tar, but no entry"),
        ("/app/main.js", lambda e: replace(e, layer="other"), "which is not exported"),
        ("/app/main.js", lambda e: replace(e, path=ImagePath("/app/x")), "but not in its tar"),
        ("/app/main.js", lambda e: replace(e, path=ImagePath("/app/\ud800")), "is no text"),
        (
            "/app/main.js",
            lambda e: replace(e, kind=Kind.DIRECTORY, sha256="", size=0),
            "its kind is file",
        ),
        ("/app/main.js", lambda e: replace(e, uid=2**32 - 1), "has the owner 4294967295:"),
        ("/app", lambda e: replace(e, sha256="0" * 64), "is no file, but has a digest"),
        ("/app", lambda e: replace(e, size=1), "is no file, but has a size"),
        ("/app/same.js", lambda e: replace(e, hardlink=None), "its hard link is /app/index.js"),
        ("/app/same.js", lambda e: replace(e, hardlink=ImagePath("/etc/x")), "no file of the ex"),
        ("/app/same.js", lambda e: replace(e, mode=0o600), "but differs from it"),
        ("/lib", lambda e: replace(e, link="usr/lib64"), "its link target is 'usr/lib' in the tar"),
        ("/lib", lambda e: replace(e, path=ImagePath("/app/index.js")), "is there twice"),
        ("/usr", lambda e: replace(e, kind=Kind.SYMLINK, link="/"), "is under /usr, which is no"),
        ("/usr/bin/ping", lambda e: replace(e, xattrs=()), "its extended attributes"),
        (
            "/usr/bin/ping",
            lambda e: replace(e, xattrs=(("trusted.overlay.opaque", "79"),)),
            "has the extended attribute 'trusted.overlay.opaque'",
        ),
        (
            "/usr/bin/ping",
            lambda e: replace(e, xattrs=(("user.overlay.redirect", "79"),)),
            "has the extended attribute 'user.overlay.redirect'",
        ),
    ],
)
def test_an_entry_that_says_something_else_is_refused(
    store: Store, exported: Export, path: str, change: Change, finding: str
) -> None:
    assert finding in refused(store, exported.with_entry(path, change))


def test_a_time_other_than_the_epoch_is_refused(store: Store, exported: Export) -> None:
    text = refused(store, replace(exported, epoch=5))
    assert "/app/index.js: its time is 1700000000 in the tar, not 5" in text


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("--option=Dpkg::Pre-Invoke::=id", "1"),
        ("./evil.deb", "1"),
        ("libc6 netcat", "1"),
        ("libc6", "2.41 --allow-downgrades"),
        ("libc6", "-1"),
        ("libc6", "2.41\nnetcat"),
        ("", "1"),
    ],
)
def test_a_need_is_a_package_and_nothing_that_apt_takes_for_an_option(
    store: Store, exported: Export, name: str, version: str
) -> None:
    need = Need(ImagePath("/x"), name, version, "amd64", "/app/main.js", EdgeKind.ELF)
    lie = replace(exported, fragment=replace(exported.fragment, needs=(need,)))
    assert "has no usable name and version" in refused(store, lie)


def test_the_source_of_a_package_is_a_name_too(store: Store, exported: Export) -> None:
    package = Package("libc6", "2.41", "amd64", "glibc\udcff", "app")
    lie = replace(exported, fragment=replace(exported.fragment, packages=(package,)))
    assert "the source 'glibc\\udcff' of a package has no usable name" in refused(store, lie)


@pytest.mark.parametrize("name", ["../runtime", "", "a/b", ".hidden", "x" * 65, "Runtime"])
def test_a_layer_name_is_never_a_path(store: Store, exported: Export, name: str) -> None:
    layers = (Layer(name, "sha256:" + "0" * 64, 1024),)
    lie = replace(exported, fragment=replace(exported.fragment, layers=layers, entries=()))
    assert "has no usable name" in refused(store, lie)


def test_a_tar_that_is_missing_is_named(store: Store, exported: Export) -> None:
    exported.tar("app").unlink()
    assert "app.tar cannot be read: No such file" in refused(store, exported)


@pytest.mark.parametrize("kind", ["symlink", "fifo", "directory", "longer"])
def test_a_tar_that_is_no_file_of_its_size_is_refused(
    store: Store, exported: Export, kind: str
) -> None:
    tar = exported.tar("app")
    content = tar.read_bytes()
    tar.unlink()
    if kind == "symlink":
        (tar.parent / "elsewhere").write_bytes(content)
        tar.symlink_to("elsewhere")
    elif kind == "fifo":
        os.mkfifo(tar)
    elif kind == "directory":
        tar.mkdir()
    else:
        tar.write_bytes(content + bytes(512))
    assert f"app.tar is no file of {len(content)} bytes" in refused(store, exported)


def test_another_digest_than_the_one_said_is_refused(store: Store, exported: Export) -> None:
    layers = tuple(
        replace(layer, digest="sha256:" + "0" * 64) for layer in exported.fragment.layers
    )
    lie = replace(exported, fragment=replace(exported.fragment, layers=layers))
    assert "its digest or size is not the one of the fragment" in refused(store, lie)


def member(name: str, **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.mtime = 1_700_000_000
    content = b"content"
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        info.size, content = 0, b""
    return info, content


def tar_of(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


HOSTILE = {
    "absolute": (tar_of(member("/etc/passwd")), "the name '/etc/passwd' is absolute"),
    "dotdot": (tar_of(member("app/../../etc/passwd")), "is not a plain path"),
    "dot": (tar_of(member("./app")), "is not a plain path"),
    "empty part": (tar_of(member("app//x")), "is not a plain path"),
    "long name": (tar_of(member("x" * 256)), "is not a plain path"),
    "long path": (tar_of(member("/".join(["x" * 200] * 30))), "bytes long"),
    "whiteout": (tar_of(member("usr/.wh.bin")), "is a whiteout"),
    "opaque": (tar_of(member("usr/.wh..wh..opq")), "is a whiteout"),
    "character device": (tar_of(member("null", type=tarfile.CHRTYPE)), "a character device"),
    "block device": (tar_of(member("sda", type=tarfile.BLKTYPE)), "a block device"),
    "fifo": (tar_of(member("pipe", type=tarfile.FIFOTYPE)), "is a FIFO"),
    "unknown type": (tar_of(member("x", type=b"Z")), "a member of type"),
    "twice": (tar_of(member("a"), member("a")), "not sorted"),
    "unsorted": (tar_of(member("b"), member("a")), "not sorted"),
    "hard link ahead": (
        tar_of(member("a", type=tarfile.LNKTYPE, linkname="b"), member("b")),
        "'/a' is in the tar, but no entry",
    ),
    "hard link outside": (
        tar_of(member("a", type=tarfile.LNKTYPE, linkname="../b")),
        "is not a plain path",
    ),
    "hard link to absolute": (
        tar_of(member("a", type=tarfile.LNKTYPE, linkname="/etc/shadow")),
        "is absolute",
    ),
    "symlink to nothing": (
        tar_of(member("a", type=tarfile.SYMTYPE, linkname="")),
        "wrong link target",
    ),
    "names of owners": (tar_of(member("a", uname="root")), "names of owners"),
    "gnu": (tar_of(member("a"), form=tarfile.GNU_FORMAT), "not POSIX tar's"),
    "fraction of a second": (tar_of(member("a", mtime=1.5)), "has the number"),
    "comment": (tar_of(member("a", pax_headers={"comment": "hi"})), "the keyword 'comment'"),
    "sparse": (
        tar_of(member("a", pax_headers={"GNU.sparse.major": "1"})),
        "the keyword 'GNU.sparse.major'",
    ),
    "no end": (tar_of(member("a"))[:1024], "it ends too early"),
    "cut": (tar_of(member("a"))[:700], "it ends too early"),
    "one zero block": (tar_of(member("a"))[:1024] + bytes(512) + b"x" * 512, "one zero block"),
    "second archive": (tar_of(member("a")) + tar_of(member("b")), "bytes after its end"),
    "no archive": (b"no tar at all" * 100, "not POSIX tar's"),
    "nothing": (b"", "it ends too early"),
    "huge extended header": (
        tar_of(member("a", pax_headers={"SCHILY.xattr.user.x": "x" * (1 << 20)})),
        "an extended header of",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_tar_is_refused(store: Store, exported: Export, name: str) -> None:
    content, finding = HOSTILE[name]
    assert finding.replace("'/a'", "/a") in refused(store, exported.with_tar("app", content))


def test_a_hard_link_to_a_later_file_is_refused(store: Store, tmp_path: Path) -> None:
    exported = export(tmp_path / "exported", "app /a file 0644 x\napp /b = /a")
    ahead = tar_of(member("a", type=tarfile.LNKTYPE, linkname="b"), member("b"))
    lie = exported.with_tar("app", ahead)
    assert "its hard link is /b, which is not before it" in refused(store, lie)


def test_a_setuid_bit_that_only_the_tar_has_is_refused(store: Store, tmp_path: Path) -> None:
    exported = export(tmp_path / "exported", "app /su file 0755 content", epoch=1_700_000_000)
    lie = exported.with_tar("app", tar_of(member("su", mode=0o4755)))
    assert "/su: its mode is 4755 in the tar, not 0755" in refused(store, lie)


# --- a tar of any bytes gives a typed error at most, and never smuggles anything in ---


def seen_by_python(content: bytes) -> list[tuple[object, ...]]:
    """What another reader finds in a tar."""
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return [
            (info.name.rstrip("/"), info.type, info.mode, info.uid, info.gid, info.linkname)
            for info in tar.getmembers()
        ]


@fuzzed(300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_tar_is_refused_or_says_the_same(
    store: Store, exported: Export, data: st.DataObject
) -> None:
    honest = export(exported.directory, TREE).tar("app").read_bytes()
    damaged = bytearray(honest)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        how = data.draw(st.sampled_from(["set", "insert", "delete", "copy", "sum"]))
        if how == "set":
            damaged[at] = data.draw(st.integers(0, 255))
        elif how == "insert":
            damaged[at:at] = data.draw(st.binary(max_size=1024))
        elif how == "delete":
            del damaged[at : at + data.draw(st.integers(1, 1024))]
        elif how == "copy":
            block = at // 512 * 512
            damaged[block:block] = damaged[block : block + 1024]
        if not damaged:
            damaged += b"\0"
        if how != "delete" and data.draw(st.booleans()):
            repair_checksum(damaged, at // 512 * 512)
    try:
        admit(store, exported.with_tar("app", bytes(damaged)))
    except UntrustedError:
        return
    assert seen_by_python(bytes(damaged)) == seen_by_python(honest)


def repair_checksum(content: bytearray, block: int) -> None:
    header = content[block : block + 512]
    if len(header) == 512 and header[257:262] == b"ustar":
        header[148:156] = b" " * 8
        content[block + 148 : block + 156] = b"%06o\0 " % sum(header)


@fuzzed(100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=4096))
def test_any_bytes_give_a_typed_error(store: Store, exported: Export, content: bytes) -> None:
    with pytest.raises(UntrustedError):
        admit(store, exported.with_tar("app", content))


# --- fragment.json ---


def test_a_fragment_is_read_as_it_was_written(exported: Export) -> None:
    path = exported.directory / "fragment.json"
    path.write_text(json.dumps(exported.fragment.to_json()), encoding="utf-8")
    assert read_fragment(exported.directory).to_json() == exported.fragment.to_json()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"version": 99}',
        b'{"version": ' + b"9" * 5000 + b"}",
        b'{"version": 2, "entries": [{"path": "relative"}]}',
        b'{"version": 2, "entries": [{"path": "/a\\u0000b"}]}',
    ],
)
def test_a_damaged_fragment_gives_a_typed_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "fragment.json").write_bytes(content)
    with pytest.raises(UntrustedError, match="is not a fragment"):
        read_fragment(tmp_path)


def test_a_fragment_that_is_not_there_gives_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(UntrustedError, match=r"fragment\.json: cannot be read: No such file"):
        read_fragment(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["/a", "0755", "file"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["version", "layers", "entries", "edges", "path", "kind", "mode", "name", "size"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@fuzzed(200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=st.fixed_dictionaries({"version": st.just(1), "entries": JSON, "layers": JSON}))
def test_any_json_gives_a_fragment_or_a_typed_error(
    tmp_path: Path, store: Store, document: dict[str, object]
) -> None:
    (tmp_path / "fragment.json").write_text(json.dumps(document), encoding="utf-8")
    try:
        store.admit(read_fragment(tmp_path), tmp_path)
    except UntrustedError:
        return
    assert blobs(store) == []


def test_a_document_of_nothing_but_brackets_is_not_read(tmp_path: Path) -> None:
    """It would take gigabytes: twenty times what it is on disk."""
    text = b'{"entries": [' + b"[]," * ((12 << 20) + 1) + b"[]]}"
    (tmp_path / "fragment.json").write_bytes(text)
    tracemalloc.start()
    with pytest.raises(UntrustedError, match="has more than 12582912 values"):
        read_fragment(tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 2 * (1 << 28)
    tracemalloc.stop()


@pytest.mark.parametrize("value", ["[" * 100_000 + "]" * 100_000, "9" * 5000, "-", "1e999", "NaN"])
@pytest.mark.parametrize("name", ["mode", "path", "xattrs", "unknown"])
def test_a_value_that_json_allows_is_refused_or_has_no_meaning(
    tmp_path: Path, exported: Export, store: Store, value: str, name: str
) -> None:
    document = exported.fragment.to_json()
    document["entries"][0][name] = "HERE"
    text = json.dumps(document).replace('"HERE"', value)
    (exported.directory / "fragment.json").write_text(text)
    try:
        store.admit(read_fragment(exported.directory), exported.directory, exported.epoch)
    except UntrustedError:
        return
    assert name == "unknown"


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 65), 1 << 65),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        [
            *("", "/", "/../etc", "//x", "a/b", "\0", "/a\0", "/\ud800", "file", "symlink", "app"),
            *([], {}, [[]], "sha256:" + "0" * 64, 0o4755, 1 << 31),
        ]
    ),
)


@fuzzed(150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_fragment_is_refused_or_says_the_same(
    store: Store, exported: Export, data: st.DataObject
) -> None:
    """Values anywhere in an honest one are replaced, moved, dropped and doubled."""
    honest = exported.fragment.to_json()
    document = json.loads(json.dumps(honest))
    for _ in range(data.draw(st.integers(1, 3))):
        at: object = document
        while isinstance(at, dict | list) and at:
            keys = sorted(at) if isinstance(at, dict) else list(range(len(at)))
            key = data.draw(st.sampled_from(keys))
            inner = at[key]
            if not isinstance(inner, dict | list) or not inner or not data.draw(st.integers(0, 5)):
                how = data.draw(st.sampled_from(["replace", "drop", "double", "move"]))
                if how == "replace":
                    at[key] = data.draw(VALUES)
                elif how == "drop":
                    del at[key]
                elif how == "double" and isinstance(at, list):
                    at.append(inner)
                elif how == "move":
                    at[data.draw(st.sampled_from(keys))] = inner
                break
            at = inner
    (exported.directory / "fragment.json").write_text(json.dumps(document), encoding="utf-8")
    try:
        fragment = read_fragment(exported.directory)
        store.admit(fragment, exported.directory, exported.epoch)
    except UntrustedError:
        return
    # What a tar holds cannot be said in other words; a layer can be left out with all it has.
    known = {entry.path: entry for entry in exported.fragment.entries}
    assert all(replace(entry, package="") == known[entry.path] for entry in fragment.entries)
