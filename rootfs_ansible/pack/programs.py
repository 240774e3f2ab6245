"""Programs that production has no use for, however they got their names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rootfs_ansible.exporter.globs import any_of
from rootfs_ansible.model.manifest import Entry, Fragment, Kind, plain_name
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.model.policy import Rule
from rootfs_ansible.pack.link import led

_SHELLS = any_of(
    (
        "ash", "bash", "bash-static", "busybox", "busybox-static", "csh", "dash", "elvish", "fish",
        "ksh", "ksh93", "lksh", "mksh", "mksh-static", "oksh", "posh", "pwsh", "rbash", "sash",
        "sh", "tcsh", "toybox", "xonsh", "yash", "zsh", "zsh-static",
    )
)  # fmt: skip
_PACKAGE_MANAGERS = any_of(
    (
        "apk", "apt", "apt-*", "aptitude", "brew", "bundle", "bundler", "cabal", "cargo",
        "conda", "corepack", "cpan", "cpanm", "dnf", "dpkg", "dpkg-*", "easy_install", "flatpak",
        "gem", "luarocks", "mamba", "microdnf", "nix", "nix-*", "npm", "npx", "opam", "opkg",
        "pacman", "pdm", "pip", "pipenv", "pipx", "pnpm", "pnpx", "poetry", "rpm", "rustup", "snap",
        "stack", "tdnf", "uv", "uvx", "yarn", "yarnpkg", "yum", "zypper",
    )
)  # fmt: skip
_COMPILERS = any_of(
    (
        "ar", "as", "c++", "c89", "c89-gcc", "c99", "c99-gcc", "cc", "clang", "clang++", "cmake",
        "cpp", "g++", "gcc", "gfortran", "ghc", "ghci", "go", "gold", "ld", "ld.bfd", "ld.gold",
        "ld.lld", "ld.mold", "lld", "make", "meson", "mold", "ninja", "pkg-config", "pkgconf",
        "runghc", "rustc", "tcc",
    )
)  # fmt: skip
_CONFIGURATION_MANAGERS = any_of(
    (
        "ansible", "ansible-*", "cf-agent", "chef-client", "chef-solo", "cinc-client", "puppet",
        "salt-call", "salt-minion",
    )
)  # fmt: skip
_BY_NAME = {
    Rule.SHELL: _SHELLS,
    Rule.PACKAGE_MANAGER: _PACKAGE_MANAGERS,
    Rule.COMPILER: _COMPILERS,
    Rule.CONFIGURATION_MANAGER: _CONFIGURATION_MANAGERS,
}

# Wherever they lie: a shell that was copied is one, and a compiler's own passes are in no bin.
_ANYWHERE = {Rule.SHELL: _SHELLS, Rule.COMPILER: any_of(("cc1", "cc1plus", "collect2", "lto1"))}
_PLACES = {"bin", "sbin", "libexec"}

# Names that other programs have as well: `rc` is a library of Node's.
_PACKAGES = {"9base": Rule.SHELL, "es": Rule.SHELL, "rc": Rule.SHELL} | dict.fromkeys(
    ("busybox", "busybox-static", "ksh93u+m", "mksh", "posh", "toybox", "yash"), Rule.SHELL
)

# Their programs need no name: `node …/npm-cli.js`, `python -m pip`.
_LIBRARIES = (
    (
        Rule.PACKAGE_MANAGER,
        re.compile(r"(.*/(?:node_modules|nodejs)/(?:corepack|npm|pnpm|yarn))/package\.json", re.S),
    ),
    (
        Rule.PACKAGE_MANAGER,
        re.compile(
            r"(.*/(?:dist|site)-packages/(?:conda|pdm|pip|pipenv|poetry))/__init__\.py", re.S
        ),
    ),
    (
        Rule.CONFIGURATION_MANAGER,
        re.compile(r"(.*/(?:dist|site)-packages/(?:ansible|salt))/__init__\.py", re.S),
    ),
)
_MARKS = ("/package.json", "/__init__.py")

# gcc is x86_64-linux-gnu-gcc-14, and pip is pip3.13.
_TARGET = re.compile(r"\A[a-z0-9_]+-(?:[a-z0-9]+-)?linux-[a-z0-9]+-")
_VERSION = re.compile(r"-?[0-9][0-9.]*\Z")


def unwanted(manifest: Fragment) -> Iterator[tuple[Rule, Entry, str]]:
    """Yield each path that is a program of a kind that production has no use for, the rule that
    refuses it, and how it is known: by its name, its package or its content, or as a link to one.
    """
    entries = {entry.path: entry for entry in manifest.entries}
    known: dict[ImagePath, tuple[Rule, str]] = {}
    contents: dict[str, tuple[Rule, Entry]] = {}
    for entry in manifest.entries:
        if not _is_executable(entry):
            continue
        found = _named(entry.path) or _packaged(entry)
        if found:
            known[entry.path] = found
            contents.setdefault(entry.sha256, (found[0], entry))
    for entry in manifest.entries:
        if entry.path not in known and _is_executable(entry) and entry.sha256 in contents:
            rule, same = contents[entry.sha256]
            known[entry.path] = rule, f"the same file as {same.path}"
    links = {}
    for entry in manifest.entries:
        target = led(entry, entries) if entry.kind is Kind.SYMLINK else None
        if target is None:
            continue
        found = known.get(target.path)
        if found is None and _is_executable(target):
            found = _named(entry.path)
        if found:
            links[entry.path] = found[0], f"leads to {target.path}"
    for path, (rule, detail) in (known | links).items():
        yield rule, entries[path], detail
    for entry in manifest.entries:
        if entry.path.text.endswith(_MARKS):
            for rule, library in _LIBRARIES:
                match = library.fullmatch(entry.path.text)
                if match and (directory := entries.get(ImagePath(match[1]))):
                    yield rule, directory, "a library that can be run"


def _is_executable(entry: Entry) -> bool:
    return entry.kind is Kind.FILE and bool(entry.mode & 0o111)


def _named(path: ImagePath) -> tuple[Rule, str] | None:
    text = path.text
    # What is there by these names is JavaScript; its package managers are known as libraries.
    if "/node_modules/" in text:
        return None
    bare = _TARGET.sub("", path.name)
    names = {path.name, bare, _VERSION.sub("", bare)}
    for rule, pattern in (_BY_NAME if path.parent.name in _PLACES else _ANYWHERE).items():
        if any(map(pattern.fullmatch, names)):
            return rule, ""
    return None


def _packaged(entry: Entry) -> tuple[Rule, str] | None:
    rule = _PACKAGES.get(plain_name(entry.package))
    if rule is None or entry.path.parent.name not in _PLACES:
        return None
    return rule, ""
