"""The programs that start scripts name: the packages that bring them, and what they need to run."""

from __future__ import annotations

from collections.abc import Sequence

INTERPRETERS = ("ts-node", "tsx", "ts-node-dev", "@babel/node", "@swc-node/cli")
"""Packages that serve development, unless an app says that it needs them."""

RUNNERS = ("lerna", "moon", "nx", "rush", "turbo", "wsrun")
"""Programs that run the scripts of a repository's packages, each by its own command line."""

_PACKAGES = {
    "babel-node": ("@babel/node", "babel-cli"),
    "dotenv": ("dotenv-cli",),
    "dotenvx": ("@dotenvx/dotenvx",),
    "fastify": ("fastify-cli",),
    "nest": ("@nestjs/cli",),
    "ng": ("@angular/cli",),
    "react-router-serve": ("@react-router/serve",),
    "remix-serve": ("@remix-run/serve",),
    "strapi": ("@strapi/strapi", "strapi"),
    "swc-node": ("@swc-node/cli",),
    "vue-cli-service": ("@vue/cli-service",),
}
"""The packages that bring a program of another name."""

_SHELL_PROGRAMS = {
    ".", "ash", "bash", "cd", "cp", "dash", "docker", "echo", "eval", "export", "if", "java", "ksh",
    "make", "mkdir", "mv", "perl", "php", "python", "python3", "rm", "ruby", "set", "sh", "sleep",
    "source", "sudo", "test", "touch", "while", "zsh", "[",
}  # fmt: skip
"""Programs that no npm package brings: a command that starts with one needs more than node."""

_SHELL_USERS = {
    "concurrently": "runs concurrently, which starts its commands in a shell",
    "cross-env-shell": "runs cross-env-shell, which starts its command in a shell",
}
SEQUENCES = ("npm-run-all", "npm-run-all2", "run-p", "run-s")
"""Programs that run scripts of package.json by way of npm."""

SUPERVISORS = {
    "forever": "runs forever, which keeps records of its daemons in the home directory",
    "nodemon": "runs nodemon, which looks with ps for what it starts",
}
"""Programs that start a script, and start it again: in an image that is the engine's part."""


def packages_of(program: str) -> tuple[str, ...]:
    """Return the names of the packages that may bring a program, the likeliest first."""
    return _PACKAGES.get(program, (program,))


def needs_shell(program: str, arguments: Sequence[str]) -> str:
    """Return why a program runs in no image without a shell, a package manager or an init that
    keeps daemons; empty where it does."""
    if program in _SHELL_PROGRAMS or program.endswith(".sh"):
        return f"runs {program}"
    if program in SEQUENCES:
        return f"runs {program}, which starts npm"
    if program in SUPERVISORS:
        return SUPERVISORS[program]
    if program == "pm2" and "start" in arguments and "--no-daemon" not in arguments:
        return f"runs {program} start, which leaves a daemon and ends"
    return _SHELL_USERS.get(program, "")
