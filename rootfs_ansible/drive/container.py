"""The containers of a build: what is in one when it starts, and that none stays."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rootfs_ansible.drive.engine import (
    LABEL_APP,
    LABEL_KEY,
    LABEL_PURPOSE,
    LABEL_STAGE,
    RUN_DIRECTORY,
    Engine,
    Image,
)
from rootfs_ansible.drive.keeper import Process, joining, kept, labels_of, leave, network_of
from rootfs_ansible.drive.results import Results
from rootfs_ansible.drive.sources import EPOCH, Sources
from rootfs_ansible.errors import EngineError, InputError

CA_BUNDLE = f"{RUN_DIRECTORY}/ca.pem"
SECRETS = f"{RUN_DIRECTORY}/secrets"

APT_CONFIGURATION = f"{RUN_DIRECTORY}/apt.conf"

# The CA bundle as the programs of every stack look for it; a stack adds its own names. apt has
# no variable for it, but one for a file that says it.
_CA_ENVIRONMENT = {
    "SSL_CERT_FILE": CA_BUNDLE,
    "CURL_CA_BUNDLE": CA_BUNDLE,
    "GIT_SSL_CAINFO": CA_BUNDLE,
    "REQUESTS_CA_BUNDLE": CA_BUNDLE,
    "APT_CONFIG": APT_CONFIGURATION,
}


@dataclass(frozen=True, slots=True)
class Request:
    """A container as it is wanted.

    ``sources`` are put at ``prefix``; they must have the ``sources_digest``, where one is given.
    ``results`` of its parts, in places below ``prefix``, are put over them.
    ``ca_bundle`` (a file of certificates) and ``secrets`` (files by name) are of the controller,
    where ``read`` gives their content; they are in memory in the container. ``network`` is the
    run's own unless it names one. A container with ``keep`` outlives the run (molecule). An image
    that is absent is pulled only with ``pull``.
    """

    image: str
    app: str
    purpose: str
    name: str = ""
    sources: Sources | None = None
    sources_digest: str = ""
    results: tuple[Results, ...] = ()
    prefix: str = "/app"
    modified: int = EPOCH
    ca_bundle: Path | None = None
    secrets: Mapping[str, Path] = field(default_factory=dict)
    read: Callable[[Path], bytes] = Path.read_bytes
    environment: Mapping[str, str] = field(default_factory=dict)
    network: str = ""
    keep: bool = False
    pull: bool = False


def name_of(request: Request, owner: Process) -> str:
    """Return the name of the container: the wanted one, or one that no other run uses."""
    if request.name:
        return request.name
    parts = (
        (request.app, request.purpose)
        if request.keep
        else (owner.run, request.app, request.purpose)
    )
    return re.sub(r"[^a-zA-Z0-9_.-]+", "-", "-".join(("rootfs", *parts)))


def start(engine: Engine, owner: Process, request: Request, *, check: bool = False) -> bool:
    """Start the container, or give the one that runs its network back; say whether it changed.

    What is started belongs to the run of ``owner`` and ends with it at the latest. With ``check``
    only say what would be done. A container that cannot be completed is removed.
    """
    name = name_of(request, owner)
    image = engine.image(request.image)
    found = engine.container(name)
    if found is not None and found.running and image is not None and found.image == image.id:
        if found.networks and found.networks != ("none",):
            return False
        if not check:
            with joining(owner):
                engine.connect(name, _network(engine, owner, request))
        return True
    if check:
        return True
    contents = _contents(request)
    if image is None and request.pull:
        image = engine.pull(request.image)
    if image is None:
        raise EngineError(
            f"there is no image {request.image}",
            where=f"engine {engine.docker_host}",
            hint="it is made by an earlier part of the playbook, or pulled: see root_image_name",
        )
    if found is not None:
        engine.remove(name)
    with joining(owner):
        engine.start(
            image.id,
            name,
            labels={
                LABEL_APP: request.app,
                LABEL_PURPOSE: request.purpose,
                **({} if request.keep else labels_of(owner)),
            },
            environment=_environment(request),
            network=_network(engine, owner, request),
        )
    try:
        for path, (content, mode) in contents.items():
            engine.write(name, path, content, mode)
        if request.sources is not None:
            _put_sources(engine, name, request, request.sources)
        for results in request.results:
            with results.archive(request.prefix.strip("/"), request.modified) as archive:
                engine.put(name, request.prefix, archive)
        if not owner.alive():
            raise EngineError("the run that started this container is no more", where=name)
    except BaseException:
        engine.remove(name)
        raise
    return True


def take_offline(engine: Engine, name: str, *, check: bool = False) -> bool:
    """Take the network from a running container; say whether it had one."""
    if check:
        found = engine.container(name)
        return found is not None and found.networks not in ((), ("none",))
    return engine.disconnect(name)


def remove(engine: Engine, owner: Process, name: str, *, check: bool = False) -> bool:
    """Remove a container, and the network of the run with the last; say whether there was one."""
    if check:
        return engine.container(name) is not None
    removed = engine.remove(name)
    if removed:
        leave(engine, owner)
    return removed


def commit(
    engine: Engine, name: str, tag: str, *, key: str, stage: str, check: bool = False
) -> tuple[bool, Image | None]:
    """Make an image of a container, unless the engine has it with that key; say whether made."""
    found = engine.image(tag)
    if found is not None and found.labels.get(LABEL_KEY) == key:
        return False, found
    if check:
        return True, None
    return True, engine.commit(name, tag, labels={LABEL_KEY: key, LABEL_STAGE: stage})


def import_root(
    engine: Engine, archive: Path, tag: str, *, key: str, stage: str, check: bool = False
) -> tuple[bool, Image | None]:
    """Make an image of a root file system, unless the engine has it with that key."""
    found = engine.image(tag)
    if found is not None and found.labels.get(LABEL_KEY) == key:
        return False, found
    if check:
        return True, None
    return True, engine.import_root(archive, tag, labels={LABEL_KEY: key, LABEL_STAGE: stage})


def copy(
    engine: Engine,
    owner: Process,
    image: str,
    source: str,
    name: str,
    target: str,
    *,
    pull: bool = True,
    check: bool = False,
) -> bool:
    """Copy a path of an image, which is pulled if it is absent, into a container; say if it is new.

    What that takes in the engine belongs to the run of ``owner``. With ``check`` nothing is pulled
    or written.
    """
    found = engine.image(image)
    if found is None and check:
        return True
    if found is None:
        if not pull:
            raise EngineError(f"there is no image {image}", where=f"engine {engine.docker_host}")
        found = engine.pull(image)
    with kept(engine, owner):
        labels = labels_of(owner)
    return engine.copy(found.id, source, name, target, labels=labels, check=check)


def _put_sources(engine: Engine, name: str, request: Request, sources: Sources) -> None:
    archive, digest = sources.archive(request.prefix.strip("/"), request.modified)
    with archive:
        if request.sources_digest not in ("", digest):
            # What is kept of this build is found again by the digest that was planned with.
            raise InputError(
                "its files changed after the build had begun",
                where=str(sources.directory),
                hint="build again",
            )
        engine.put(name, request.prefix, archive)


def _network(engine: Engine, owner: Process, request: Request) -> str:
    with kept(engine, owner):
        if request.network or request.keep:
            return request.network
        name = network_of(owner)
        engine.create_network(name, labels=labels_of(owner))
        return name


def _environment(request: Request) -> dict[str, str]:
    ca = _CA_ENVIRONMENT if request.ca_bundle is not None else {}
    return {**ca, **request.environment}


def _contents(request: Request) -> dict[str, tuple[bytes, int]]:
    """Read what goes into memory; one ``InputError`` lists all files that cannot be read."""
    contents: dict[str, tuple[bytes, int]] = {}
    refused: list[str] = []
    wanted = {f"{SECRETS}/{name}": (path, 0o400) for name, path in sorted(request.secrets.items())}
    if request.ca_bundle is not None:
        wanted[CA_BUNDLE] = (request.ca_bundle, 0o444)
        contents[APT_CONFIGURATION] = (f'Acquire::https::CaInfo "{CA_BUNDLE}";\n'.encode(), 0o444)
    for name in request.secrets:
        if not re.fullmatch(r"[A-Za-z0-9_.-]*[A-Za-z0-9_-]", name):
            refused.append(f"{name!r} is not a name for a secret: letters, digits, . _ -")
    for target, (path, mode) in wanted.items():
        try:
            contents[target] = (request.read(path), mode)
        except OSError as error:
            refused.append(f"{path}: {error.strerror}")
        except InputError as error:
            refused.append(f"{path}: {error.what}")
    if refused:
        raise InputError(
            "files that the container should see cannot be read",
            where=request.app,
            details=refused,
            hint="see rootfs_secrets and rootfs_build_ca_bundle",
        )
    return contents
