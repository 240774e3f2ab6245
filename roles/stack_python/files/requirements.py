"""Say of Python packages what the field's own libraries read in them, as JSON.

requirements.py build TREE...     what the build systems of source trees want to be there
requirements.py missing DIRECTORY what the packages installed in a directory lack of each other
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from subprocess import CalledProcessError

import pyproject_hooks
from build import BuildBackendException, BuildException, ProjectBuilder
from build.env import DefaultIsolatedEnv
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name


def build_requirements(tree: str) -> list[str]:
    """Return what the build system of a tree is, and what it asks for besides to make a wheel."""
    with DefaultIsolatedEnv(installer="pip") as environment:
        builder = ProjectBuilder.from_isolated_env(
            environment, tree, runner=pyproject_hooks.quiet_subprocess_runner
        )
        environment.install(builder.build_system_requires)
        asked = builder.get_requires_for_build("wheel")
        return sorted(builder.build_system_requires | asked)


def missing(directory: str) -> Iterator[dict[str, str]]:
    """Yield what is not there, or in a version that does not fit, of what each package requires."""
    installed = {canonicalize_name(found.name): found for found in distributions(path=[directory])}
    for distribution in installed.values():
        for requirement in _required(distribution):
            there = installed.get(canonicalize_name(requirement.name))
            if there is None or not requirement.specifier.contains(there.version, prereleases=True):
                yield {
                    "package": f"{distribution.name} {distribution.version}",
                    "requirement": str(requirement),
                    "installed": "" if there is None else there.version,
                }


def _required(distribution: Distribution) -> Iterator[Requirement]:
    for text in distribution.requires or ():
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            # Old metadata that pip passed over as well.
            continue
        # Which extras of it were asked for is on no record.
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement


def _said(error: Exception) -> str:
    """Return what the program printed that failed: the error itself has no word of it."""
    cause = error.exception if isinstance(error, BuildBackendException) else error
    printed = (cause.stdout, cause.stderr) if isinstance(cause, CalledProcessError) else ()
    lines = [part.decode(errors="replace").rstrip() for part in printed if part]
    return "\n".join(lines) or str(error)


def main(arguments: list[str]) -> None:
    """Print what is asked for."""
    match arguments:
        case ["build", *trees]:
            try:
                answer: object = {tree: build_requirements(tree) for tree in trees}
            except (
                BuildException,
                BuildBackendException,
                CalledProcessError,
                pyproject_hooks.HookMissing,
            ) as error:
                sys.exit(_said(error))
        case ["missing", directory]:
            answer = list(missing(directory))
        case _:
            sys.exit(__doc__)
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1:])
