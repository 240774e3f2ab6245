"""The container engine: what the project asks of it, and the only module that speaks to it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import posixpath
import re
import shutil
import struct
import tarfile
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import requests
import urllib3
from docker import APIClient
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.utils import kwargs_from_env

from rootfs_ansible.drive import copied
from rootfs_ansible.errors import EngineError, of_system

DEFAULT_HOST = "unix:///var/run/docker.sock"

# A tmpfs in every container of ours: what is written there reaches neither a layer nor an image.
RUN_DIRECTORY = "/run/rootfs"

HOSTNAME = "rootfs"
"""The host name of every container of ours: what a build or a role writes of it is the same."""

LABEL_RUN = "rootfs.builder.run"
LABEL_OWNER = "rootfs.builder.owner"
LABEL_APP = "rootfs.builder.app"
LABEL_PURPOSE = "rootfs.builder.purpose"
LABEL_KEY = "rootfs.builder.key"
LABEL_STAGE = "rootfs.builder.stage"

_BLOCK = 1 << 20

# What engines answer where a network has containers: Docker the first, Podman the second.
_IN_USE = (403, 409)

# The names of the kernel where they are not those of the engine (GOARCH).
_ARCHITECTURES = {
    "x86_64": "amd64",
    "i686": "386",
    "aarch64": "arm64",
    "armv7l": "arm",
    "loongarch64": "loong64",
}


@dataclass(frozen=True, slots=True)
class Image:
    """An image that the engine has; ``layers`` are diff ids, lowest first, ``size`` in bytes."""

    id: str
    tags: tuple[str, ...]
    labels: Mapping[str, str]
    layers: tuple[str, ...]
    architecture: str
    size: int


@dataclass(frozen=True, slots=True)
class Container:
    """A container that the engine has; ``networks`` are the names of those it is on."""

    id: str
    name: str
    image: str
    labels: Mapping[str, str]
    running: bool
    networks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Completed:
    """How a command in a container ended, and what it wrote to its two outputs together."""

    code: int
    output: str


class _Client(APIClient):
    """Keeps what the engine ``said`` of itself: the client asks it for that to begin with."""

    said: Mapping[str, Any] = {}

    def version(self, api_version: bool = True) -> dict[str, Any]:
        self.said = dict(super().version(api_version))
        return dict(self.said)


class Engine:
    """A container engine, as ``docker_host`` names it (``unix://…``, ``tcp://…``, ``ssh://…``).

    Without a name it is the one of DOCKER_HOST, or of the default socket. ``timeout`` is how many
    seconds the engine may be silent in a call that should be quick, ``patience`` in one that
    moves or removes a file system. Every method raises ``EngineError``, also when the engine dies
    midway.
    """

    def __init__(self, docker_host: str = "", *, timeout: int = 60, patience: int = 900) -> None:
        self.docker_host = docker_host or os.environ.get("DOCKER_HOST") or DEFAULT_HOST
        self._timeout = timeout
        self._patience = patience
        self._client: _Client | None = None

    # --- the engine itself ---

    def ping(self) -> str:
        """Return the version of the engine's API."""
        with self._calling("it was asked for its version"):
            return str(self._api.version()["ApiVersion"])

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    # --- images ---

    def image(self, name: str) -> Image | None:
        """Return the image of that tag or id, or nothing if the engine has none."""
        with self._calling(f"image {name} was looked up"):
            try:
                data = self._untyped.inspect_image(name)
            except ImageNotFound:
                return None
        return Image(
            id=data["Id"],
            tags=tuple(sorted(data.get("RepoTags") or ())),
            labels=dict((data.get("Config") or {}).get("Labels") or {}),
            layers=tuple((data.get("RootFS") or {}).get("Layers") or ()),
            architecture=data.get("Architecture", ""),
            size=int(data.get("Size", 0)),
        )

    def images(self, label: str) -> tuple[Image, ...]:
        """Return the images with a label (``name`` or ``name=value``)."""
        with self._calling(f"images with the label {label} were looked up"):
            found = self._untyped.images(filters={"label": label})
        known = (self.image(item["Id"]) for item in found)
        return tuple(image for image in known if image is not None)

    def pull(self, name: str) -> Image:
        """Fetch the image of that name from its registry, with the credentials of this user."""
        repository, tag = name.split("@", 1) if "@" in name else _repository_and_tag(name)
        with self._calling(f"image {name} was pulled", patient=True):
            for event in self._api.pull(repository, tag, stream=True, decode=True):
                if "error" in event:
                    raise EngineError(
                        f"image {name} cannot be pulled: {event['error']}",
                        where=self._where,
                        hint="check the name, and that the engine may read from that registry"
                        " (docker login)",
                    )
        return self._known(name)

    def remove_image(self, name: str) -> None:
        """Remove a tag, and the image if it was the last; nothing happens if there is none."""
        with self._calling(f"image {name} was removed", patient=True):
            try:
                self._api.remove_image(name)
            except ImageNotFound:
                return

    def load(self, stream: IO[bytes] | Iterable[bytes]) -> tuple[str, ...]:
        """Load a ``docker save`` archive and return what the engine calls what it loaded.

        The archive may omit the layers that the engine has, if the engine is one that accepts it;
        otherwise this is an ``EngineError``.
        """
        loaded: list[str] = []
        with self._calling("an image was loaded", patient=True):
            for event in self._untyped.load_image(stream):
                if "error" in event:
                    raise EngineError(
                        f"the image cannot be loaded: {event['error']}", where=self._where
                    )
                match = re.match(r"Loaded image(?: ID)?: (\S+)", event.get("stream", ""))
                if match:
                    loaded.append(match[1])
        return tuple(loaded)

    def save(self, name: str, stream: IO[bytes]) -> None:
        """Write the image as a ``docker save`` archive."""
        with self._calling(f"image {name} was saved", patient=True):
            _drain(self._api.get_image(name), stream)

    def import_root(self, archive: Path, tag: str, *, labels: Mapping[str, str]) -> Image:
        """Make an image of one layer, the root file system in ``archive`` (a plain tar).

        Its configuration holds the labels and nothing else, so the same archive gives the same
        image id everywhere. As with ``commit``, one that another build has made since is taken.
        """
        return self._made_once(tag, labels, lambda: self._load_root(archive, tag, labels))

    def _load_root(self, archive: Path, tag: str, labels: Mapping[str, str]) -> None:
        with archive.open("rb") as content:
            layer = f"sha256:{copied.sha256(content)}"
        with tempfile.TemporaryFile(prefix="rootfs-image-") as stream:
            with tarfile.open(fileobj=stream, mode="w") as whole:
                names = _write_configuration(whole, (layer,), tag, labels, self.architecture())
                member = tarfile.TarInfo(names[layer])
                member.size = archive.stat().st_size
                with archive.open("rb") as content:
                    whole.addfile(member, content)
            stream.seek(0)
            self.load(stream)

    # --- containers ---

    def container(self, name: str) -> Container | None:
        """Return the container of that name or id, or nothing if the engine has none."""
        with self._calling(f"container {name} was looked up"):
            try:
                data = self._api.inspect_container(name)
            except NotFound:
                return None
        return Container(
            id=data["Id"],
            name=data["Name"].lstrip("/"),
            image=data["Image"],
            labels=dict(data["Config"].get("Labels") or {}),
            running=bool(data["State"]["Running"]),
            networks=tuple(sorted(data["NetworkSettings"].get("Networks") or ())),
        )

    def start(
        self,
        image: str,
        name: str,
        *,
        labels: Mapping[str, str],
        environment: Mapping[str, str] | None = None,
        network: str = "",
        volume: str = "",
    ) -> Container:
        """Start a container that waits until it is removed, and return it.

        It runs as root with a small init that reaps what is left behind, with a tmpfs at
        ``RUN_DIRECTORY``, as the host ``HOSTNAME``. ``network`` is the name of one, ``host``,
        ``none``, or empty for the engine's default. What the image has at ``volume`` is put on a
        volume of the container's own.
        """
        with self._calling(f"container {name} was started from image {image}"):
            configuration = self._api.create_host_config(
                init=True,
                network_mode=network or "default",
                tmpfs={RUN_DIRECTORY: "rw,exec,nosuid,nodev,mode=0755"},
            )
            created = self._api.create_container(
                image,
                entrypoint=["sleep", "infinity"],
                command=[],
                name=name,
                # An engine's own is random, and roles write it into files that are shipped. That
                # of the host cannot be another.
                hostname=None if network == "host" else HOSTNAME,
                user="0:0",
                working_dir="/",
                environment=dict(environment or {}),
                labels=dict(labels),
                volumes=[volume] if volume else None,
                host_config=configuration,
                use_config_proxy=False,
            )
            self._begin(created["Id"])
        found = self.container(name)
        if found is None or not found.running:
            raise EngineError(
                f"container {name} ended at once",
                where=self._where,
                hint=f"image {image} must have a `sleep` that takes `infinity` (coreutils)",
            )
        self._check(name)
        return found

    def start_locked(
        self,
        image: str,
        name: str,
        *,
        beside: str,
        program: Iterable[str],
        labels: Mapping[str, str],
        environment: Mapping[str, str],
    ) -> None:
        """Start ``program`` on an image as strictly as a service is run, and do not wait for it.

        The root cannot be written to, /tmp and the image's volumes can; there are no capabilities,
        and no way to gain any. User and working directory are the image's. Network and volumes are
        those of the container ``beside``.
        """
        first, *others = program
        with self._calling(f"container {name} was started from image {image}"):
            configuration = self._api.create_host_config(
                network_mode=f"container:{beside}",
                volumes_from=[beside],
                read_only=True,
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
                tmpfs={"/tmp": "rw,exec,nosuid,nodev,mode=1777"},  # noqa: S108
            )
            created = self._api.create_container(
                image,
                entrypoint=[first],
                command=others,
                name=name,
                environment=dict(environment),
                labels=dict(labels),
                host_config=configuration,
                use_config_proxy=False,
            )
            self._begin(created["Id"])

    def _begin(self, container: str) -> None:
        """Start a container that was created; one that does not start is removed."""
        try:
            self._api.start(container)
        except BaseException:
            self._api.remove_container(container, v=True, force=True)
            raise

    def ended(self, name: str) -> int | None:
        """Return the exit status of a container that has ended; nothing while it runs."""
        with self._calling(f"container {name} was looked up"):
            state = self._api.inspect_container(name)["State"]
        return None if state["Running"] else int(state["ExitCode"])

    def kill(self, name: str) -> None:
        """Kill what runs in a container, and wait for its end; one that has ended stays so."""
        with self._calling(f"container {name} was killed"):
            try:
                self._api.kill(name)
            except APIError as error:
                if error.response is None or error.response.status_code != 409:
                    raise
            self._api.wait(name, timeout=self._timeout)

    def printed(self, name: str, lines: int) -> str:
        """Return the last lines of what a container wrote to its two outputs together."""
        with self._calling(f"the output of container {name} was read"):
            return bytes(self._untyped.logs(name, tail=lines)).decode("utf-8", "replace")

    def read(self, container: str, path: str, limit: int) -> IO[bytes]:
        """Return an open temporary file with the content of a file of a container.

        ``EngineError`` where that is longer than ``limit`` (bytes), or no file.
        """
        with tempfile.TemporaryFile(prefix="rootfs-copy-") as got:
            with self._calling(f"{path} of container {container} was read", patient=True):
                self._save_path(container, path, got, limit + _BLOCK)
            with tarfile.open(fileobj=got, mode="r") as archive:
                member = archive.next()
                content = archive.extractfile(member) if member and member.isreg() else None
                if content is None:
                    raise EngineError(f"{path} of container {container} is no file")
                file = tempfile.TemporaryFile(prefix="rootfs-copy-")  # noqa: SIM115 - the caller's
                shutil.copyfileobj(content, file)
        file.seek(0)
        return file

    def remove(self, name: str) -> bool:
        """Kill and remove a container, with its anonymous volumes; say whether there was one."""
        with self._calling(f"container {name} was removed", patient=True):
            try:
                self._api.remove_container(name, v=True, force=True)
            except NotFound:
                return False
            except APIError as error:
                # Somebody else is removing it at this moment: just as good.
                if error.response is None or error.response.status_code != 409:
                    raise
        return True

    def execute(self, container: str, command: Iterable[str], stdin: bytes = b"") -> Completed:
        """Run a command in a container as root, feed it ``stdin``, and wait for its end.

        The command must know by itself how much to read: its input is never closed. Neither
        input nor output appear in what the engine tells of the container.
        """
        words = list(command)
        with self._calling(f"`{words[0]}` was run in container {container}"):
            run = self._api.exec_create(
                container, words, stdin=bool(stdin), environment={}, user="0:0", workdir="/"
            )
            stream: Any = self._api.exec_start(run["Id"], socket=True)
            # The socket of a hijacked connection hides in what the client returns.
            connection = getattr(stream, "_sock", stream)
            try:
                connection.settimeout(self._timeout)
                if stdin:
                    connection.sendall(stdin)
                received = io.BytesIO()
                while data := connection.recv(65536):
                    received.write(data)
            finally:
                stream.close()
            code = self._api.exec_inspect(run["Id"])["ExitCode"]
        return Completed(int(code or 0), _text_of(received.getvalue()))

    def write(self, container: str, path: str, content: bytes, mode: int = 0o400) -> None:
        """Write a small file into a container, through the input of a command there.

        The content is never part of a command line, of the container's configuration or of a
        layer, as long as ``path`` is below ``RUN_DIRECTORY``. The file appears whole or not.
        """
        script = (
            'umask 077 && (umask 022; mkdir -p -- "${1%/*}") && head -c "$2" > "$1.new"'
            ' && chmod "$3" "$1.new" && mv -- "$1.new" "$1"'
        )
        arguments = (path, str(len(content)), f"{mode:04o}")
        self._run(container, ("sh", "-c", script, "sh", *arguments), content)

    def put(self, container: str, directory: str, archive: IO[bytes]) -> None:
        """Unpack a tar archive, whose names all begin with ``directory``, into a container.

        The directory is made if need be. Names count from the root because an engine refuses
        links that lead out of the directory it unpacks into.
        """
        self._run(container, ("mkdir", "-p", "--", directory))
        with self._calling(
            f"files were put into {directory} of container {container}", patient=True
        ):
            self._api.put_archive(container, "/", archive)

    def copy(
        self,
        image: str,
        source: str,
        container: str,
        target: str,
        *,
        labels: Mapping[str, str],
        check: bool = False,
    ) -> bool:
        """Copy a path of an image into a container: it becomes ``target``; say whether it is new.

        A directory is merged into one that is there; nothing is written where all of it is there
        already (times do not count), nor with ``check``. The image is not run: a container that is
        never started, with ``labels``, gives its files.
        """
        target = posixpath.normpath(target)
        with tempfile.TemporaryFile(prefix="rootfs-copy-") as got:
            with self._calling(f"{source} was copied out of image {image}", patient=True):
                created = self._api.create_container(
                    image, entrypoint=["none"], labels={**labels, LABEL_PURPOSE: "copy"}
                )
                try:
                    self._save_path(created["Id"], source, got)
                finally:
                    self._api.remove_container(created["Id"], v=True, force=True)
            with tempfile.TemporaryFile(prefix="rootfs-copy-") as renamed:
                copied.rename(got, renamed, target.lstrip("/"))
                wanted = copied.members(renamed)
                new = not self._members(container, target).items() >= wanted.items()
                if new and not check:
                    self.put(container, posixpath.dirname(target), renamed)
        return new

    def commit(
        self, container: str, tag: str, *, labels: Mapping[str, str], architecture: str = ""
    ) -> Image:
        """Make an image of a container's file system, with ``labels`` and no other configuration.

        An engine's own commit keeps the container's environment and labels for good. So the
        committed layers get a configuration of ours, which is all that has to be loaded. An image
        of the same key that another build has given the tag meanwhile is taken instead.
        """
        with self._calling(f"container {container} was committed", patient=True):
            committed = self._api.commit(container)["Id"]
        try:
            raw = self._known(committed)
            machine = architecture or raw.architecture
            return self._made_once(tag, labels, lambda: self._name(raw, tag, labels, machine))
        finally:
            self.remove_image(committed)

    def _made_once(self, tag: str, labels: Mapping[str, str], load: Callable[[], None]) -> Image:
        """Load an image, unless the engine has one of the same key under its tag by now.

        Should two builds load at the same moment, the image that the tag was taken from is removed:
        nothing else would. One that a container uses already stays.
        """
        found = self.image(tag)
        if LABEL_KEY in labels and found is not None and found.labels == labels:
            return found
        load()
        made = self._known(tag)
        if LABEL_KEY in labels:
            for other in self.images(f"{LABEL_KEY}={labels[LABEL_KEY]}"):
                # What a build is committing just now has labels of its container as well.
                if other.id != made.id and not other.tags and other.labels == labels:
                    with suppress(EngineError):
                        self.remove_image(other.id)
        return made

    def _name(self, raw: Image, tag: str, labels: Mapping[str, str], architecture: str) -> None:
        try:
            with tempfile.TemporaryFile(prefix="rootfs-image-") as stream:
                with tarfile.open(fileobj=stream, mode="w") as thin:
                    _write_configuration(thin, raw.layers, tag, labels, architecture)
                stream.seek(0)
                self.load(stream)
        except EngineError:
            self._reload(raw, tag, labels, architecture)

    def _reload(self, raw: Image, tag: str, labels: Mapping[str, str], architecture: str) -> None:
        """Load an image whole under another configuration: for engines that want every layer."""
        with (
            tempfile.TemporaryFile(prefix="rootfs-image-") as saved,
            tempfile.TemporaryFile(prefix="rootfs-image-") as stream,
        ):
            self.save(raw.id, saved)
            saved.seek(0)
            with (
                tarfile.open(fileobj=saved, mode="r") as old,
                tarfile.open(fileobj=stream, mode="w") as new,
            ):
                manifest = json.loads(_content(old, "manifest.json"))
                names = _write_configuration(new, raw.layers, tag, labels, architecture)
                for layer, path in zip(raw.layers, manifest[0]["Layers"], strict=True):
                    content = old.extractfile(path)
                    if content is None:
                        raise EngineError(f"image {raw.id} was saved without layer {path}")
                    member = tarfile.TarInfo(names[layer])
                    member.size = content.seek(0, io.SEEK_END)
                    content.seek(0)
                    new.addfile(member, content)
            stream.seek(0)
            self.load(stream)

    # --- networks ---

    def create_network(self, name: str, *, labels: Mapping[str, str]) -> bool:
        """Create a network whose containers reach the outside but not each other.

        Says whether it had to be created.
        """
        with self._calling(f"network {name} was created"):
            if any(network["Name"] == name for network in self._api.networks(names=[name])):
                return False
            self._api.create_network(
                name,
                driver="bridge",
                options={"com.docker.network.bridge.enable_icc": "false"},
                check_duplicate=True,
                labels=dict(labels),
            )
            return True

    def remove_network(self, name: str) -> bool:
        """Remove a network, unless a container is on it; say whether it was removed."""
        with self._calling(f"network {name} was removed"):
            try:
                self._api.remove_network(name)
            except NotFound:
                return False
            except APIError as error:
                if error.response is None or error.response.status_code not in _IN_USE:
                    raise
                return False
        return True

    def remove_idle_networks(self, label: str, age: float) -> int:
        """Remove every network with ``label`` that is older than ``age`` (in seconds) and has no
        container; say how many.
        """
        with self._calling(f"networks labelled {label} were removed"):
            networks = self._api.networks(filters={"label": label})
        now = datetime.now(UTC)
        old = [
            network["Id"]
            for network in networks
            if (now - datetime.fromisoformat(network["Created"])).total_seconds() >= age
        ]
        return sum(map(self.remove_network, old))

    def connect(self, container: str, network: str) -> None:
        """Give a running container a network."""
        with self._calling(f"container {container} was connected to network {network}"):
            self._api.connect_container_to_network(container, network)

    def disconnect(self, container: str) -> bool:
        """Take every network from a running container; it keeps its loopback.

        Says whether it had any.
        """
        found = self._running(container)
        networks = [network for network in found.networks if network != "none"]
        if "host" in networks:
            raise EngineError(
                f"container {container} uses the host's own network, which cannot be taken from it",
                where=self._where,
                hint="name another network, or let the build scripts have it"
                " (stack_node_scripts_network: true)",
            )
        for network in networks:
            with self._calling(f"container {container} was disconnected from network {network}"):
                self._api.disconnect_container_from_network(container, network, force=True)
        return bool(networks)

    # --- what is there, by label ---

    def labelled(self, label: str) -> tuple[Mapping[str, str], ...]:
        """Return the labels of every container, network and untagged image with ``label``.

        ``label`` is a name, or ``name=value``.
        """
        chosen = {"label": label}
        with self._calling(f"what is labelled {label} was listed"):
            found = [
                *self._api.containers(all=True, filters=chosen),
                *self._api.networks(filters=chosen),
                *self._api.images(filters={**chosen, "dangling": True}),
            ]
        return tuple(item.get("Labels") or {} for item in found)

    def remove_labelled(self, label: str) -> int:
        """Remove every container, network and untagged image with ``label``; say how many."""
        chosen = {"label": label}
        with self._calling(f"what is labelled {label} was removed"):
            containers = self._api.containers(all=True, filters=chosen)
            for item in containers:
                self.remove(item["Id"])
            networks = [item["Id"] for item in self._api.networks(filters=chosen)]
            removed = sum(map(self.remove_network, networks))
            images = self._api.images(filters={**chosen, "dangling": True})
            for item in images:
                self.remove_image(item["Id"])
        return len(containers) + removed + len(images)

    # --- how it is done ---

    @property
    def _where(self) -> str:
        return f"engine {self.docker_host}"

    @property
    def _api(self) -> _Client:
        if self._client is None:
            settings = kwargs_from_env({**os.environ, "DOCKER_HOST": self.docker_host})
            self._client = _Client(
                **settings,
                version="auto",
                timeout=self._timeout,
                use_ssh_client=self.docker_host.startswith("ssh://"),
            )
        return self._client

    @property
    def _untyped(self) -> Any:  # noqa: ANN401 - calls that the client's stubs leave untyped
        return self._api

    @contextmanager
    def _calling(self, what: str, *, patient: bool = False) -> Iterator[None]:
        """Turn whatever the client raises into an ``EngineError`` about ``what``."""
        try:
            if patient:
                self._api.timeout = self._patience
            yield
        except APIError as error:
            raise EngineError(
                f"the engine refused when {what}: {error.explanation or error}", where=self._where
            ) from error
        except (DockerException, requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise self._silent(what, error) from error
        except (ConnectionError, TimeoutError) as error:
            raise self._silent(what, error) from error
        except OSError as error:
            refused = of_system(error)
            raise EngineError(
                f"{refused.what} when {what}",
                where=refused.where or self._where,
                hint=refused.hint,
            ) from error
        finally:
            if self._client is not None:
                self._client.timeout = self._timeout

    def _silent(self, what: str, error: Exception) -> EngineError:
        return EngineError(
            f"no answer from the container engine when {what}",
            where=self._where,
            details=[_cause(error)],
            hint="check that it runs and that you may use it (`docker version`), and that"
            " DOCKER_HOST names it",
        )

    def architecture(self) -> str:
        """Return the architecture of the engine, as image configurations name it."""
        with self._calling("it was asked for its version"):
            return str(self._api.said["Arch"])

    def _known(self, name: str) -> Image:
        found = self.image(name)
        if found is None:
            raise EngineError(f"image {name} is gone", where=self._where)
        return found

    def _running(self, name: str) -> Container:
        found = self.container(name)
        if found is None or not found.running:
            raise EngineError(
                f"container {name} is gone or has ended"
                if found is None
                else f"container {name} has ended",
                where=self._where,
            )
        return found

    def _check(self, name: str) -> None:
        """Make sure that a command run in a container sees the container, and nothing else.

        An engine that runs in a chroot starts such commands outside of it, on the machine's own
        root: every installation would go there.
        """
        script = (
            "while read -r source path rest;"
            ' do [ "$path" = "$1" ] && exit 0; done < /proc/self/mounts; exit 1'
        )
        if self.execute(name, ("sh", "-c", script, "sh", RUN_DIRECTORY)).code != 0:
            self.remove(name)
            raise EngineError(
                f"a command in container {name} does not see the container's file system",
                where=self._where,
                hint="does the engine run in a chroot? Start it where / is the root of its mount"
                " namespace; or has the image no `sh`?",
            )

    def _run(self, container: str, command: Iterable[str], stdin: bytes = b"") -> None:
        words = list(command)
        completed = self.execute(container, words, stdin)
        if completed.code != 0:
            raise EngineError(
                f"`{words[0]}` failed in container {container} (exit code {completed.code})",
                where=self._where,
                details=completed.output.splitlines(),
            )

    def _members(self, container: str, path: str) -> Mapping[str, object]:
        """Return what is at a path of a container; nothing where there is no such path."""
        with (
            tempfile.TemporaryFile(prefix="rootfs-copy-") as got,
            tempfile.TemporaryFile(prefix="rootfs-copy-") as renamed,
        ):
            with self._calling(f"{path} of container {container} was looked up", patient=True):
                try:
                    self._save_path(container, path, got)
                except NotFound:
                    return {}
            copied.rename(got, renamed, path.lstrip("/"))
            return copied.members(renamed)

    def _save_path(self, container: str, path: str, stream: IO[bytes], limit: int = 0) -> None:
        chunks, _ = self._api.get_archive(container, path, chunk_size=_BLOCK)
        _drain(chunks, stream, limit)
        stream.seek(0)


def _drain(chunks: Generator[bytes], stream: IO[bytes], limit: int = 0) -> None:
    """Write all that the engine sends; where it cannot be written, hang up.

    An engine that still sends a container's files to nobody does not remove the container.
    Raises ``EngineError`` where it is more than ``limit`` bytes, if that is not 0.
    """
    with closing(chunks):
        for chunk in chunks:
            stream.write(chunk)
            if limit and stream.tell() > limit:
                raise EngineError(f"what a container sends is longer than {limit} bytes")


def _write_configuration(
    archive: tarfile.TarFile,
    layers: tuple[str, ...],
    tag: str,
    labels: Mapping[str, str],
    architecture: str,
) -> dict[str, str]:
    """Write an image's manifest and clean configuration; return the archive name of each layer.

    The format is Docker's image specification 1.2, which every engine's ``load`` reads
    (https://github.com/moby/docker-image-spec).
    """
    epoch = "1970-01-01T00:00:00Z"
    configuration = {
        "architecture": architecture,
        "config": {"Labels": dict(sorted(labels.items()))},
        "created": epoch,
        "history": [{"created": epoch, "created_by": "rootfs.builder"} for _ in layers],
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": list(layers)},
    }
    content = json.dumps(configuration, sort_keys=True, separators=(",", ":")).encode()
    names = {layer: f"{layer.removeprefix('sha256:')}/layer.tar" for layer in layers}
    file = f"{hashlib.sha256(content).hexdigest()}.json"
    name = ":".join(_repository_and_tag(tag))
    manifest = [{"Config": file, "RepoTags": [name], "Layers": [names[layer] for layer in layers]}]
    for name, data in ((file, content), ("manifest.json", json.dumps(manifest).encode())):
        member = tarfile.TarInfo(name)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return names


def native_architecture() -> str:
    """Return the architecture of this machine, as image configurations name it.

    It is that of the engine which a build without one starts here.
    """
    machine = platform.machine().lower()
    return _ARCHITECTURES.get(machine, machine)


def _repository_and_tag(name: str) -> tuple[str, str]:
    """Return the parts of an image's name; its tag is ``latest`` where it says none."""
    repository, _, tag = name.rpartition(":")
    return (repository, tag) if repository and "/" not in tag else (name, "latest")


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    content = archive.extractfile(name)
    return content.read() if content is not None else b""


def _text_of(frames: bytes) -> str:
    """Return the text in the frames of a command's outputs (eight bytes of header each).

    The format is the engine API's (``/containers/{id}/attach``, stream format).
    """
    text = bytearray()
    while len(frames) >= 8:
        (length,) = struct.unpack(">xxxxL", frames[:8])
        text += frames[8 : 8 + length]
        frames = frames[8 + length :]
    return text.decode("utf-8", "replace")


def _cause(error: BaseException) -> str:
    """Return the innermost reason of a chain of exceptions, where the useful words are."""
    while isinstance(error.__cause__ or error.__context__, Exception):
        error = error.__cause__ or error.__context__ or error
    return f"{type(error).__name__}: {error}"
