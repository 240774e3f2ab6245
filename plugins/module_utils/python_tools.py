"""The programs that fetch and build Python packages, as a build container has them.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.rootfs.builder.plugins.module_utils import step
from ansible_collections.rootfs.builder.plugins.module_utils.step import Run, StepError

WORK = Path("/var/tmp/rootfs-python")  # noqa: S108 (in the container, which is removed)
"""Where everything is that a build makes and nobody ships."""

PYTHON = "/usr/bin/python3"
DISTRIBUTION = "/usr/lib/python3/dist-packages"
"""Where the distribution's own packages are, which no image has."""

PIP = (PYTHON, f"{DISTRIBUTION}/pip")
"""The distribution's pip, also where an app installs one of its own: only that one knows where the
distribution's Python looks for packages."""

INSTALLED = Path("/usr/local")
"""Where packages are installed, in the build container and in the image."""

PACKAGES = INSTALLED / "lib" / "python3.13" / "dist-packages"
"""What of that the distribution's Python imports from."""

_REQUIREMENTS = "/usr/local/lib/rootfs-python/requirements.py"
_FILES = {
    "pip.conf": "PIP_CONFIG_FILE",
    "netrc": "NETRC",
    ".netrc": "NETRC",
    "uv.toml": "UV_CONFIG_FILE",
}
_NOISE = re.compile(
    r"^\s*(WARNING: (Running pip as|There was an error checking|Using pylock)"
    r"|\[notice\]|note: This is an issue with|hint: See above|╰─> See above|\[end of output\]"
    r"|(Collecting|Downloading|Obtaining|Processing|Saved|Successfully downloaded|Using cached)\b"
    r"|(Installing build dependencies|Getting requirements|Preparing metadata)"
    r".*: (started|finished with status 'done')"
    r"|Looking in (indexes|links):)"
)


class Tools:
    """Runs programs, and fails with their own lines."""

    def __init__(self, run: Run, base: Mapping[str, str]) -> None:
        self._run = run
        self._base = base

    def output(
        self,
        command: Iterable[str],
        what: str,
        where: str = "",
        directory: Path = Path("/"),
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """Return what a command prints; ``StepError`` (``what``, ``where``) where it fails."""
        told = {**environment_of(self._base), **(environment or {})}
        code, output, errors = self._run(list(command), str(directory), told)
        if code:
            lines = cleaned(output, errors)
            raise StepError(what, where, lines, advice(lines))
        return output

    def pip(
        self,
        words: Iterable[str],
        what: str,
        where: str = "",
        directory: Path = Path("/"),
        environment: Mapping[str, str] | None = None,
        pip: Sequence[str] = PIP,
    ) -> str:
        """Run pip: the distribution's, or another one."""
        return self.output((*pip, *words), what, where, directory, environment)

    def requirements(self, words: Sequence[str], what: str, environment: Mapping[str, str]) -> Any:  # noqa: ANN401 (JSON)
        """Return what ``requirements.py`` of the role says."""
        command = (PYTHON, _REQUIREMENTS, *words)
        where = words[-1] if len(words) == 2 else ""
        return json.loads(self.output(command, what, where, environment=environment))


def environment_of(base: Mapping[str, str]) -> dict[str, str]:
    """Return what every tool is told besides ``base``, the container's own environment."""
    told = {
        "HOME": f"{WORK}/home",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
        "PIP_BREAK_SYSTEM_PACKAGES": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_PROGRESS_BAR": "off",
        "PIP_ROOT_USER_ACTION": "ignore",
        # Text and sets come in one order, whatever the run.
        "PYTHONHASHSEED": "0",
    }
    if base.get("SSL_CERT_FILE"):
        told |= {"PIP_CERT": base["SSL_CERT_FILE"], "UV_SYSTEM_CERTS": "1"}
    # Debian's Python compiles extensions with debugging symbols, which nobody ships.
    told["CFLAGS"] = f"{base.get('CFLAGS', '')} -g0".strip()
    told["CXXFLAGS"] = f"{base.get('CXXFLAGS', '')} -g0".strip()
    told["LDFLAGS"] = f"{base.get('LDFLAGS', '')} -Wl,--strip-all".strip()
    return told


def secret_environment() -> dict[str, str]:
    """Return what only a fetch is told: pip's configuration, a netrc, and tokens by their names."""
    return step.secret_environment(_FILES)


def cleaned(output: str, errors: str) -> list[str]:
    """Return the last lines that a tool printed, without what says nothing of the failure."""
    return step.last_lines(_NOISE, output, errors)


_ADVICE = (
    (
        r"fatal error: (\S+\.h(?:pp|h)?): No such file",
        "{0} is missing: name the package that has it in rootfs_build_packages (such as"
        " libNAME-dev)",
    ),
    (
        r"cannot find -l(\S+?):?(?: |$)",
        "the C library {0} is missing: name its package in rootfs_build_packages (lib{0}-dev)",
    ),
    (
        r"(?:Dependency \"(\S+)\" (?:not found|found: NO)|Package '?([^\s',]+)'?,? .*not found"
        r"|No package '(\S+)' found)",
        "{0} is missing: name the package that has {0}.pc in rootfs_build_packages (such as"
        " libNAME-dev)",
    ),
    (
        r"(?:Please make sure|Make sure) the (\S+) (?:\S+ )*development packages? .*installed",
        "a C library is missing: name its package in rootfs_build_packages",
    ),
    (
        r"Cannot find command '(\w+)'",
        "{0} is needed to fetch it: name it in rootfs_build_packages",
    ),
    (
        r"(?:can't find Rust compiler|Cargo, the Rust package manager, is not installed"
        r"|(?:rustc|cargo)\b.*(?:not found|No such file))",
        "it is compiled by Rust: set rootfs_build_packages: [cargo], and stack_python_network:"
        " true, as cargo fetches while it compiles; or take a version that has a wheel",
    ),
    (
        r"unable to detect version|cannot (?:find|determine).* version .*(?:SCM|VCS|repository)",
        "its version is that of its repository, which is no part of the sources: say it, such as"
        " rootfs_build_env: {{SETUPTOOLS_SCM_PRETEND_VERSION: '1.2'}} (of pdm"
        " PDM_BUILD_SCM_VERSION, of poetry POETRY_DYNAMIC_VERSIONING_BYPASS)",
    ),
    (
        r"No module named '(pkg_resources|distutils|imp)'",
        "it is older than its tools: let it be built by older ones, such as rootfs_build_env:"
        " {{PIP_CONSTRAINT: /app/build.txt}} with setuptools<81 in that file, or take a newer"
        " version",
    ),
    (
        r"DO NOT MATCH THE HASHES",
        "the file is not the one that was locked: find out who changed it, then lock again",
    ),
    (
        r"Can't verify hashes for these requirements",
        "what comes from a repository or a directory has no hash: release it as a file, or use a"
        " file of requirements without hashes",
    ),
    (
        r"Hash is not available for '(\S+)",
        "pdm writes no directory or repository beside hashes: release {0} as a file, or name a file"
        " of requirements that has it (stack_python_lock)",
    ),
    (
        r"requires a different Python: (\S+)|Current Python version \((\S+)\) is not allowed",
        "the distribution has Python {0}: take a version that allows it",
    ),
    (
        r"No matching distribution found for (\S+)",
        "see that {0} exists in that version for this Python and this machine, on the index that is"
        " used (stack_python_index)",
    ),
    (
        r"ResolutionImpossible",
        "no versions fit each other: change what is required, or lock what does",
    ),
    (
        r"(?:needs to be updated|changed significantly|lock file .*(?:hash|outdated|out of date)"
        r"|Lock ?file .*(?:hash|outdated|out.of.date|compatible))",
        "lock again where the project is developed, and commit the lock file",
    ),
    (
        r"(?:Temporary failure in name resolution|Network is unreachable|dns error"
        r"|Could not resolve host)",
        "what compiles has no network: let it use what the distribution has, or set"
        " stack_python_network: true",
    ),
)


def advice(lines: Iterable[str]) -> str:
    """Return what to do about a failure, from the lines that a tool printed; empty where nothing
    is known of it."""
    text = "\n".join(lines)
    for pattern, hint in _ADVICE:
        if found := re.search(pattern, text, re.IGNORECASE | re.MULTILINE):
            return hint.format(*[group for group in found.groups() if group])
    return ""
