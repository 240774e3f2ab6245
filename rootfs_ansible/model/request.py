"""What an export is asked for: outputs, what may be left out, and what is there already."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rootfs_ansible.errors import InputError
from rootfs_ansible.model.document import Document
from rootfs_ansible.model.manifest import LARGEST_ID, Need
from rootfs_ansible.model.path import ImagePath


class Scope(StrEnum):
    """Whether a path outside every output is shipped, or left to another fragment.

    ``build``: a path that a package owns is a need, the staging container brings it.
    ``all``: it is shipped from this tree.
    ``outputs``: neither, what the outputs hold is all there is.
    """

    BUILD = "build"
    ALL = "all"
    OUTPUTS = "outputs"


class Foreign(StrEnum):
    """What happens to binaries of another machine, system or libc under an output."""

    KEEP = "keep"
    OMIT = "omit"


@dataclass(frozen=True, slots=True)
class Output:
    """One declared output: exactly one of ``path``, ``package``, ``accounts`` and ``directory``.

    ``path`` is a path or a glob (``*`` within a name, ``**`` across names); a directory stands
    for all it holds, but for what the globs of ``excluding`` match (relative to the path, or to
    what is before the first wildcard of a glob). Every other character of a glob is literal, and
    a path that exists is meant literally. ``package`` ships a package's files without its
    documentation; a package that has none stands for those it depends on. With it come, of what
    it depends on, packages of data and scripts, and others of the same source; with
    ``dependencies`` all of them, but for what every system has and what only installs packages.
    ``accounts`` writes /etc/passwd and /etc/group with only these accounts and those that own
    something that is declared. ``directory`` creates a directory with ``mode``, ``uid`` and
    ``gid``. ``optional``: matching nothing is no error. ``by`` names who declared it.
    """

    layer: str
    by: str
    path: str = ""
    package: str = ""
    accounts: tuple[str, ...] = ()
    directory: str = ""
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    excluding: tuple[str, ...] = ()
    foreign: Foreign = Foreign.KEEP
    dependencies: bool = False
    optional: bool = False

    def __post_init__(self) -> None:
        """Refuse an output that declares nothing, or two things."""
        if sum(map(bool, (self.path, self.package, self.accounts, self.directory))) != 1:
            raise InputError(
                f"an output of {self.by} in layer {self.layer} declares not exactly one of"
                " path, package, accounts, directory"
            )
        if self.dependencies and not self.package:
            raise InputError(
                f"{self.by} declares {self.path or self.directory or 'accounts'} with its"
                " dependencies, which only a package has"
            )
        for text in (self.path, self.directory):
            if text:
                ImagePath(text)
        for name, number in (("uid", self.uid), ("gid", self.gid)):
            if not 0 <= number <= LARGEST_ID:
                raise InputError(
                    f"{self.by} declares {self.directory or self.path} with {name} {number}",
                    hint=f"a user or group is a number from 0 to {LARGEST_ID}",
                )

    def to_json(self) -> dict[str, Any]:
        """Return the output as a JSON object."""
        data: dict[str, Any] = {"layer": self.layer, "by": self.by}
        if self.path:
            data["path"] = self.path
        if self.package:
            data["package"] = self.package
        if self.accounts:
            data["accounts"] = list(self.accounts)
        if self.directory:
            data |= {
                "directory": self.directory,
                "mode": f"{self.mode:04o}",
                "uid": self.uid,
                "gid": self.gid,
            }
        if self.excluding:
            data["excluding"] = list(self.excluding)
        if self.foreign is not Foreign.KEEP:
            data["foreign"] = str(self.foreign)
        if self.dependencies:
            data["dependencies"] = True
        if self.optional:
            data["optional"] = True
        return data

    @staticmethod
    def from_json(data: Document) -> Output:
        """Return the output that ``to_json`` wrote; ``InputError`` where it is not one."""
        mode = data.text("mode", "0755")
        if not re.fullmatch("0?[0-7]{1,4}", mode):
            raise InputError(
                f"not a file mode: {mode!r}", hint='write it in octal and in quotes: "0750"'
            )
        return Output(
            layer=data.text("layer"),
            by=data.text("by"),
            path=data.text("path", ""),
            package=data.text("package", ""),
            accounts=data.texts("accounts"),
            directory=data.text("directory", ""),
            mode=int(mode, 8),
            uid=data.integer("uid", 0),
            gid=data.integer("gid", 0),
            excluding=data.texts("excluding"),
            foreign=Foreign(_one_of(Foreign, data.text("foreign", "keep"))),
            dependencies=data.boolean("dependencies", False),
            optional=data.boolean("optional", False),
        )


@dataclass(frozen=True, slots=True)
class Prune:
    """What a build leaves behind: globs under every directory that holds ``beside`` (a glob)
    and, where ``finished`` is given, also something that ``finished`` matches. What ``keep``
    matches stays, an edge to a dropped file brings it back. Globs are relative to that
    directory; ``beside`` is tried in every directory, so ``**`` says nothing there. A rule that
    names a ``layer`` is at work in the outputs of that layer alone."""

    name: str
    reason: str
    beside: str
    drop: tuple[str, ...]
    keep: tuple[str, ...] = ()
    finished: str = ""
    layer: str = ""

    def __post_init__(self) -> None:
        """Refuse a rule that would be at work in every directory above a match as well."""
        if "**" in self.beside or not self.beside:
            raise InputError(
                f"the prune rule {self.name} has no usable beside: {self.beside!r}",
                hint="name what lies in the directory itself, such as binding.gyp or"
                " build/Release/*.node",
            )

    def to_json(self) -> dict[str, Any]:
        """Return the rule as a JSON object."""
        return {
            "name": self.name,
            "reason": self.reason,
            "beside": self.beside,
            "drop": list(self.drop),
            "keep": list(self.keep),
            "finished": self.finished,
            "layer": self.layer,
        }

    @staticmethod
    def from_json(data: Document) -> Prune:
        """Return the rule that ``to_json`` wrote; ``InputError`` where it is not one."""
        return Prune(
            data.text("name"),
            data.text("reason"),
            data.text("beside"),
            data.texts("drop"),
            data.texts("keep"),
            data.text("finished", ""),
            data.text("layer", ""),
        )


@dataclass(frozen=True, slots=True)
class Companion:
    """A rule for what no file names: once something in the closure matches one of ``when``, and
    something each of ``also``, ``needs`` come too.

    ``when`` and ``also`` are globs of sonames (``libfontconfig.so.1``) or of absolute paths,
    ``needs`` path globs; one that matches nothing is an error unless ``optional``. ``names`` is a
    regular expression for the lines of the files that ``when`` matches: what its group finds
    there stands for ``{}`` in ``needs``.
    """

    name: str
    reason: str
    when: tuple[str, ...]
    needs: tuple[str, ...]
    optional: bool = False
    also: tuple[str, ...] = ()
    names: str = ""

    def __post_init__(self) -> None:
        """Refuse a rule that can never fire, or that says nothing of what it finds."""
        if not self.when:
            raise InputError(f"the companion rule {self.name} has no when")
        if not self.names:
            return
        try:
            groups = re.compile(self.names).groups
        except re.error as error:
            raise InputError(
                f"the names of companion rule {self.name} are no regular expression: {error}"
            ) from error
        if groups != 1:
            raise InputError(
                f"the names of companion rule {self.name} have {groups} groups",
                hint="one group finds the name that stands for {} in needs",
            )
        if any(not when.startswith("/") for when in self.when):
            raise InputError(
                f"the companion rule {self.name} reads names from files, and its when is no path",
                hint="name the files, such as /etc/pam.d/*",
            )

    def to_json(self) -> dict[str, Any]:
        """Return the rule as a JSON object; fields that say nothing are left out."""
        data: dict[str, Any] = {
            "name": self.name,
            "reason": self.reason,
            "when": list(self.when),
            "needs": list(self.needs),
            "optional": self.optional,
        }
        if self.also:
            data["also"] = list(self.also)
        if self.names:
            data["names"] = self.names
        return data

    @staticmethod
    def from_json(data: Document) -> Companion:
        """Return the rule that ``to_json`` wrote; ``InputError`` where it is not one."""
        return Companion(
            data.text("name"),
            data.text("reason"),
            data.text_or_texts("when"),
            data.texts("needs"),
            data.boolean("optional", False),
            data.texts("also"),
            data.text("names", ""),
        )


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """One export: the layers to write (lowest first), their outputs, and what is known.

    ``provided`` are the paths that lower fragments own, ``digests`` the SHA-256 of the files among
    them, ``recorded`` the packages they have records of, ``seeds`` the needs of a build fragment,
    shipped in layer ``seed_layer``.
    ``epoch`` is the time of every entry, in seconds (SOURCE_DATE_EPOCH).
    """

    layers: tuple[str, ...]
    outputs: tuple[Output, ...]
    scope: Scope = Scope.ALL
    epoch: int = 0
    prune: tuple[Prune, ...] = ()
    companions: tuple[Companion, ...] = ()
    provided: tuple[ImagePath, ...] = ()
    digests: tuple[tuple[str, str], ...] = ()
    recorded: tuple[str, ...] = ()
    seeds: tuple[Need, ...] = ()
    seed_layer: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the request as a JSON object."""
        return {
            "layers": list(self.layers),
            "outputs": [output.to_json() for output in self.outputs],
            "scope": str(self.scope),
            "epoch": self.epoch,
            "prune": [rule.to_json() for rule in self.prune],
            "companions": [rule.to_json() for rule in self.companions],
            "provided": [str(path) for path in self.provided],
            "digests": dict(self.digests),
            "recorded": list(self.recorded),
            "seeds": [need.to_json() for need in self.seeds],
            "seed_layer": self.seed_layer,
        }

    @staticmethod
    def from_json(data: object) -> ExportRequest:
        """Return the request that ``to_json`` wrote; ``InputError`` where it is not one."""
        document = Document(data, "request")
        return ExportRequest(
            layers=document.texts("layers"),
            outputs=document.each("outputs", Output.from_json),
            scope=Scope(_one_of(Scope, document.text("scope", "all"))),
            epoch=document.integer("epoch", 0),
            prune=document.each("prune", Prune.from_json),
            companions=document.each("companions", Companion.from_json),
            provided=document.paths("provided"),
            digests=tuple(sorted(document.mapping("digests").items())),
            recorded=document.texts("recorded"),
            seeds=document.each("seeds", Need.from_json),
            seed_layer=document.text("seed_layer", ""),
        )


def _one_of(choices: type[StrEnum], text: str) -> str:
    if text not in set(choices):
        raise InputError(f"{text!r} is none of {', '.join(choices)}")
    return text
