"""What the output of package managers and of scripts means, and what to do about it.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ansible_collections.rootfs.builder.plugins.module_utils.node_tools import Manager

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\r(?!\n)")
_NOISE = re.compile(
    r"^(npm (ERR!|error|notice)\s*$|npm (ERR!|error) (A complete log of this run|\s+/\S*_logs/)"
    r"|npm notice|npm (WARN|warn)|npm (ERR!|error) code (EUSAGE|1)$|gyp (verb|http|info)|\s*$)"
)
_USAGE = re.compile(r"npm (ERR!|error) (Clean install a project|Usage:)$")
"""Where npm begins to explain its options; it says what is wrong before that."""
_REQUEST = re.compile(r"npm http (?:fetch .* failed with (\w+))?")
"""A line about one of npm's requests; each cause of failure is worth one line."""
_NO_NETWORK = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ENETUNREACH|ECONNREFUSED|ETIMEDOUT|getaddrinfo|fetch failed"
    r"|[Nn]etwork is unreachable|Could not resolve host|Temporary failure in name resolution"
)
_NOT_FOUND = re.compile(
    r"E404|404 Not Found|Not Found - 404|Response Code: 404|Couldn't find package|ETARGET"
    r"|NO_MATCHING_VERSION|Package not found|Couldn't find any versions|No candidates found"
)
_NAMES = tuple(
    re.compile(pattern)
    for pattern in (
        r"404\s+'?(@?[^\s'@]+)@[^\s']*'? is not in",  # npm
        r"No matching version found for (@?[^\s@]+)@",  # npm, pnpm
        r"(\S+) is not in the npm registry",  # pnpm
        r"Couldn't find (?:package|any versions for) \"([^\"]+)\"",  # yarn 1
        r"│ (@?[^\s@]+)@npm:\S*: (?:Package not found|No candidates found)",  # yarn 2 and later
    )
)
"""How each package manager names a dependency that does not exist."""
_COMPILE_ERROR = re.compile(r"\b(fatal )?error\b[: ]|Error:|No package '")
_MISSING_HEADER = re.compile(r"fatal error: (\S+\.h\S*): No such file|No package '([^']+)' found")
_MISSING_LIBRARY = re.compile(r"cannot find -l:?([\w+.-]+)")
_LIBRARY_PACKAGES = (
    ("icu", "libicu-dev"),
    ("brotli", "libbrotli-dev"),
    ("ssl", "libssl-dev"),
    ("crypto", "libssl-dev"),
    ("cares", "libc-ares-dev"),
    ("uv", "libuv1-dev"),
    ("nghttp2", "libnghttp2-dev"),
    ("z", "zlib1g-dev"),
)
"""What the distribution's node is linked with, as names of libraries begin, and the packages to
compile against them. An addon that asks node for its libraries asks for these."""

_GIT_HOST = re.compile(
    r"(?<![\w.-])((?:codeload\.)?github\.com|gitlab\.com|bitbucket\.org)\b|\bgit\+(?:ssh|https?)://"
)
_LONGEST = 60


def cleaned(*outputs: str) -> tuple[str, ...]:
    """Return the lines of a tool's output that say something, the last ones of many.

    Where the first error of a long output is not among them, the lines around it come first.
    """
    lines: list[str] = []
    causes: set[str] = set()
    for line in (line for output in outputs for line in _told(output)):
        request = _REQUEST.match(line)
        if _NOISE.match(line) or (request and (not request[1] or request[1] in causes)):
            continue
        causes |= {request[1]} if request else set()
        lines.append(line.rstrip())
    if len(lines) <= _LONGEST:
        return tuple(lines)
    tail = lines[-_LONGEST:]
    first = next((at for at, line in enumerate(lines) if _COMPILE_ERROR.search(line)), None)
    if first is None or first >= len(lines) - _LONGEST:
        return ("…", *tail)
    return ("…", *lines[max(0, first - 3) : first + 15], "…", *tail[len(tail) // 2 :])


def _told(output: str) -> Iterator[str]:
    """Yield the lines of one output, without colours and without npm's usage."""
    for line in _ANSI.sub("", output).splitlines():
        if _USAGE.match(line):
            return
        yield line


def fetch_advice(manager: Manager, lines: Iterable[str]) -> str:
    """Return what to do about dependencies that could not be fetched."""
    text = "\n".join(lines)
    if _NOT_FOUND.search(text):
        named = next(filter(None, (pattern.search(text) for pattern in _NAMES)), None)
        said = f"the dependency {named[1]} does not exist" if named else "a dependency is not there"
        return f"{said} in the registry: correct it in package.json, or set stack_node_registry"
    if re.search(
        r"in sync|EUSAGE|ERR_PNPM_OUTDATED_LOCKFILE|needs to be updated|YN0028|frozen-lockfile",
        text,
    ):
        install = {"npm": "npm install", "pnpm": "pnpm install", "yarn": "yarn install"}
        return (
            f"{manager.lock} does not agree with package.json: run {install[manager.name]} and"
            f" commit {manager.lock}"
        )
    if re.search(r"ENOENT.*\bgit\b|spawn git|git: not found|git ls-remote|Host key", text):
        return (
            "a dependency comes from a git repository: set rootfs_build_packages: [git], and see"
            " that its host can be reached"
        )
    if re.search(r"EBADENGINE|UNSUPPORTED_ENGINE|engine \"\w+\" is incompatible", text):
        return (
            "a package takes no such node or package manager: set stack_node_version (or"
            " engines.node of package.json) to the node that it wants, packageManager of"
            " package.json to the package manager"
        )
    unset = re.search(r"Failed to replace env in config: \$\{(\w+)\}|not found \((\w+)\)", text)
    if unset:
        name = unset[1] or unset[2]
        return f"the settings name a variable: set rootfs_secrets: {{{name}: FILE}}"
    if re.search(r"E401|E403|401 Unauthorized|403 Forbidden|Unauthenticated", text):
        return "give the registry's token: rootfs_secrets: {npmrc: FILE} (see the role's README)"
    if re.search(r"SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)|certificate", text):
        return "set rootfs_build_ca_bundle to the certificates of your network"
    if _NO_NETWORK.search(text):
        host = _GIT_HOST.search("\n".join(filter(_NO_NETWORK.search, text.splitlines())))
        if host:
            return (
                f"a dependency comes from a git repository, and {host[1] or 'its host'} was not"
                " reached: see rootfs_build_proxy, or depend on a release in the registry"
            )
        return "the registry was not reached: see stack_node_registry and rootfs_build_proxy"
    return ""


def script_advice(name: str, lines: Iterable[str], *, offline: bool) -> str:
    """Return what to do about a script of the package ``name`` that failed."""
    text = "\n".join(lines)
    missing = _MISSING_HEADER.search(text)
    if missing:
        what = missing[1] or f"{missing[2]}.pc"
        return (
            f"{what} is missing: name the Debian package that has it in rootfs_build_packages"
            " (such as [libcairo2-dev])"
        )
    libraries = sorted(set(_MISSING_LIBRARY.findall(text)))
    if libraries:
        return _library_advice(libraries)
    if offline and _NO_NETWORK.search(text):
        return (
            f"{name} wanted the network, which scripts do not have. Its ways out: a variable of"
            " its own in rootfs_build_env that names a local file or skips the download, a"
            " Debian -dev package in rootfs_build_packages to compile against, or"
            " stack_node_scripts_network: true"
        )
    return ""


def _library_advice(libraries: Iterable[str]) -> str:
    """Return what to do about libraries that the linker did not find."""
    names = []
    of_node = False
    for library in libraries:
        known = [package for begin, package in _LIBRARY_PACKAGES if _is_of(library, begin)]
        of_node = of_node or bool(known)
        names += known or [f"lib{library}-dev"]
    packages = ", ".join(sorted(set(names)))
    said = (
        f"the linker does not find {', '.join(libraries)}: set rootfs_build_packages: [{packages}]"
    )
    if of_node:
        said += ", or stack_node_version to a node that brings its own libraries (such as ^22)"
    return said


def _is_of(library: str, begin: str) -> bool:
    """Say whether a library is one of a family: icu and brotli have several."""
    return library.startswith(begin) if begin in ("icu", "brotli") else library == begin
