"""An app and its plan: the key of every stage, from what decides the stage's result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rootfs_ansible.errors import InputError
from rootfs_ansible.plan.key import directory_digest, path_digest, role_digest, stage_key
from rootfs_ansible.plan.stack import Stack

ENTRY_POINTS = ("inspect", "build_image", "toolchain", "runtime", "compile")
"""The entry points of a stack role; each decides its own stage only."""

_NOT_IN_A_KEY = {
    # What the role calls the image that it makes by itself: the plan has its own key for it.
    "root_image_key",
    "root_image_tag",
    # Where things are, and how they are reached: the same sources give the same image anywhere.
    "rootfs_app_dir",
    "rootfs_build_ca_bundle",
    "rootfs_build_proxy",
    "rootfs_format",
    "rootfs_load",
    "rootfs_output",
    "rootfs_store",
    # What is refused or allowed once it is there: the image is the same.
    "rootfs_policy",
    "rootfs_policy_allow",
}
_NAMES_ONLY = {"rootfs_secrets"}
_PRIVATE = {"rootfs_build_env", "rootfs_smoke"}
"""Options whose values are no one's business: the key of the compile stands for them."""
_PARTS = "rootfs_parts"
_IMAGE_ONLY = {
    # How the image runs and what it is called: nothing that is compiled or harvested knows it.
    # Not so what it starts: a stack checks that it is there, and ships what it needs.
    "rootfs_env",
    "rootfs_image_name",
    "rootfs_image_tag",
    "rootfs_init",
    "rootfs_labels",
    "rootfs_ports",
    # What it has to show changes no byte of it.
    "rootfs_smoke",
    "rootfs_verify",
}
_SYSTEM_ONLY = {"rootfs_packages", "rootfs_roles"}


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that decides an image, but for its sources.

    ``options`` are the resolved variables of the app, of its stack and of the root image;
    ``specs`` the names of those that each entry point of the stack role reads; ``searches`` the
    directories that hold roles, each with the prefix of their names; ``root_role`` and
    ``collection`` where our own are. ``code`` is the digest of all of our code that touches what is
    harvested; what is made once and shared (root image, build image) does not know it.
    ``architecture`` is the engine's.
    """

    stack: Stack
    options: Mapping[str, Any]
    specs: Mapping[str, Sequence[str]]
    searches: tuple[tuple[Path, str], ...]
    root_role: Path
    collection: Path
    code: str
    architecture: str

    def root_image(self) -> str:
        """Return the key of the root image."""
        return stage_key(
            "root_image",
            {
                "architecture": self.architecture,
                "options": self._root_options(),
                "role": role_digest(self.root_role, self.searches, without=_is_description),
            },
        )

    def tracer(self) -> str:
        """Return the key of the image that traces others."""
        return tracer_key(self.root_image(), self.collection, self.searches)

    def build_image(self) -> str:
        """Return the key of the stack's build image."""
        return self._entry("build_image", self.root_image(), {})

    def toolchain(self, wanted: str) -> str:
        """Return the key of the build image with the toolchain that a project wants.

        It is the build image's own where the project wants none in particular.
        """
        if not wanted:
            return self.build_image()
        return self._entry(
            "toolchain", self.build_image(), {"wanted": wanted, "modules": self._modules()}
        )

    def runtime(self, wanted: str) -> str:
        """Return the key of the stack's runtime: its staging image and its layer."""
        return self._entry(
            "runtime",
            self.root_image(),
            {
                "toolchain": self.toolchain(wanted) if wanted else "",
                "outputs": self.stack.outputs["runtime"],
                "companions": self.stack.companions,
                "code": self.code,
                "epoch": self.options.get("rootfs_epoch"),
                "prefix": self.options.get("rootfs_prefix"),
            },
        )

    def compile(
        self, wanted: str, sources: str, place: str = ".", parts: Sequence[str] = ()
    ) -> str:
        """Return the key of an app's compile; ``sources`` is the digest of its sources, ``place``
        its directory among them, ``parts`` are the keys of its parts' compiles."""
        return stage_key(
            "compile",
            {
                "parent": self.toolchain(wanted),
                "runtime": self.runtime(wanted),
                "sources": sources,
                "place": place,
                "role": self._role("compile"),
                "packages": self._package_tasks(),
                "stack": [self.stack.outputs["compile"], self.stack.prune, self.stack.environment],
                "options": self._own(*_SYSTEM_ONLY),
                "parts": parts,
                "code": self.code,
            },
        )

    def part(self, wanted: str, sources: str, place: str, outputs: Sequence[str]) -> str:
        """Return the key of the compile of a part: its ``outputs`` in the directory ``place`` of
        its sources are all that is taken from it."""
        return stage_key(
            "part",
            {
                "parent": self.toolchain(wanted),
                "sources": sources,
                "place": place,
                "role": self._role("compile"),
                "packages": self._package_tasks(),
                "options": self._own(*_SYSTEM_ONLY),
                "outputs": outputs,
                "code": self.code,
            },
        )

    def system(self, wanted: str, needs: Sequence[Any], staged: str = "") -> str:
        """Return the key of the system stage: what is needed, what the app declares, and what the
        roles that it has applied do (``staged``)."""
        return stage_key(
            "system",
            {
                "runtime": self.runtime(wanted),
                "needs": needs,
                "staged": staged,
                "packages": self.options.get("rootfs_packages"),
                "outputs": [self.stack.outputs["system"], self.options.get("rootfs_outputs")],
                "companions": [self.stack.companions, self.options.get("rootfs_companions")],
                "epoch": self.options.get("rootfs_epoch"),
                "tasks": self._package_tasks(),
                "code": self.code,
                # Where nothing is compiled, this stage brings the app as well.
                **({} if self.stack.compiles else {"app": self._own("rootfs_packages")}),
            },
        )

    def image(
        self, sources: str, staged: str = "", place: str = ".", parts: Sequence[str] = ()
    ) -> str:
        """Return the key of the whole image: whatever decides any of its stages; ``parts`` are
        the keys of its parts as a whole."""
        return stage_key(
            "image",
            {
                "architecture": self.architecture,
                "root": self.root_image(),
                "stack": role_digest(self.stack.directory, self.searches),
                "modules": self._modules(),
                "packages": self._package_tasks(),
                "code": self.code,
                "options": self._hashed(),
                "sources": sources,
                "staged": staged,
                "place": place,
                "parts": parts,
            },
        )

    def parameters(self) -> dict[str, Any]:
        """Return the options that decide the image, as whoever gets it may read them.

        What a build or a smoke run was given is only named: a token may be among it.
        """
        options = {**self._hashed(), **self._root_options()}
        for name in _PRIVATE.intersection(options):
            options[name] = sorted(options[name] or ())
        return {name: options[name] for name in sorted(options)}

    def digests(self, wanted: str) -> dict[str, str]:
        """Return the keys of what the image is made with, besides its sources and its app's
        roles, by what they are of."""
        found = {
            "code of rootfs-ansible": self.code,
            "modules of rootfs-ansible": self._modules(),
            "root image": self.root_image(),
            "role root_image": role_digest(self.root_role, self.searches),
            f"role {self.stack.directory.name}": role_digest(self.stack.directory, self.searches),
            "runtime image": self.runtime(wanted),
        }
        if self.stack.compiles:
            found |= {"build image": self.build_image(), "toolchain image": self.toolchain(wanted)}
        return found

    def of_roles(self) -> dict[str, Any]:
        """Return the options that a role applied to the app's staging container may read."""
        return {name: value for name, value in self._hashed().items() if name != "rootfs_secrets"}

    def _own(self, *left_out: str) -> dict[str, Any]:
        """Return the options that decide what is made of the app, but for those ``left_out``."""
        without = _IMAGE_ONLY.union(left_out)
        return {name: value for name, value in self._hashed().items() if name not in without}

    def _entry(self, name: str, parent: str, more: Mapping[str, Any]) -> str:
        options = self._hashed()
        return stage_key(
            name,
            {
                "parent": parent,
                "role": self._role(name),
                "options": {spec: options.get(spec) for spec in sorted(self.specs.get(name, ()))},
                **more,
            },
        )

    def _root_options(self) -> dict[str, Any]:
        """Return the options of the root image; a keyring is what it holds, wherever it lies."""
        options = {
            name: value
            for name, value in self.options.items()
            if name.startswith("root_image_") and name not in _NOT_IN_A_KEY
        }
        keyrings = options.pop("root_image_keyrings", None) or ()
        # An existing image brings its own keys, and none of these files is read.
        if not options.get("root_image_name"):
            options["root_image_keyrings"] = [_keyring_digest(Path(str(path))) for path in keyrings]
        return options

    def _modules(self) -> str:
        """Return the digest of what roles run in containers, besides what Ansible brings."""
        plugins = self.collection / "plugins"
        return directory_digest(plugins / "modules", plugins / "module_utils")

    def _package_tasks(self) -> str:
        """Return the digest of our tasks of every stack in both kinds of container."""
        own = self.collection / "roles" / "rootfs"
        return directory_digest(own / "tasks", own / "files")

    def _role(self, entry_point: str) -> str:
        others = {f"{name}.yml" for name in ENTRY_POINTS if name != entry_point}
        return role_digest(
            self.stack.directory,
            self.searches,
            without=lambda name: (
                name in {f"tasks/{other}" for other in others} or _is_description(name)
            ),
        )

    def _hashed(self) -> dict[str, Any]:
        return {
            name: _that_decides(name, value)
            for name, value in self.options.items()
            if name not in _NOT_IN_A_KEY
            and name not in self.stack.places
            # The key of the root image stands for its options.
            and not name.startswith("root_image_")
        }


def tracer_key(root: str, collection: Path, searches: Iterable[tuple[Path, str]]) -> str:
    """Return the key of the image that traces others; ``root`` is the root image's, ``collection``
    where our own roles are."""
    role = role_digest(collection / "roles" / "tracer", searches, without=_is_description)
    return stage_key("tracer", {"root": root, "role": role})


def _that_decides(name: str, value: Any) -> Any:  # noqa: ANN401 - of an option of any kind
    if name in _NAMES_ONLY:
        return sorted(value)
    if name == _PARTS:
        # Its options are in the keys of the part, but for what says where something is reached.
        return [{key: said for key, said in part.items() if key != "options"} for part in value]
    return value


def _is_description(name: str) -> bool:
    # What meta/ says and counts is resolved: options by their values, outputs by the stack.
    return name.startswith("meta/")


def _keyring_digest(path: Path) -> str:
    try:
        return path_digest(path)
    except InputError as error:
        raise InputError(
            error.what,
            where=error.where,
            hint="root_image_keyrings names files of the controller",
        ) from error
