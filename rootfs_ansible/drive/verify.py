"""The proof of an image: that it runs as it is shipped, and misses nothing that its build had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rootfs_ansible.drive.engine import Engine
from rootfs_ansible.drive.keeper import Process
from rootfs_ansible.drive.tracer import Outcome, loaded, traced
from rootfs_ansible.drive.verdict import BUILD, STAGING, Finding, PassedOver, Verdict, judge
from rootfs_ansible.errors import InputError, StoreError
from rootfs_ansible.model.document import Document
from rootfs_ansible.model.image import Image
from rootfs_ansible.model.manifest import Fragment
from rootfs_ansible.model.smoke import Smoke
from rootfs_ansible.pack.image import digest_of, find_image
from rootfs_ansible.pack.summary import columns, printable, size_text
from rootfs_ansible.store.layout import Store
from rootfs_ansible.store.paths import load_index
from rootfs_ansible.store.upkeep import VERIFIED

__all__ = [
    "BUILD",
    "STAGING",
    "TRACER",
    "Asked",
    "Proof",
    "asked_instead",
    "asked_of",
    "keep",
    "verify",
]

TRACER = "rootfs.builder/tracer"
"""The image that strace comes from, and what asks a service; its tag is the start of its key."""

_SHOWN = 10
"""How many of what was never touched, and of what may be missing, a person is shown."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of an image, once it is packed, for whoever verifies it.

    ``smoke`` is its smoke run, or nothing where neither app nor stack has one; ``indexes`` are the
    digests of what its containers had, in the order in which they are asked, ``compiled`` says
    that there was a build container; ``root_image`` and ``root_key`` are the root image that the
    tracer is made from.
    """

    smoke: Smoke | None
    indexes: tuple[tuple[str, str], ...]
    compiled: bool
    root_image: str
    root_key: str

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "smoke": self.smoke.to_json() if self.smoke else None,
            "indexes": [{"container": name, "digest": digest} for name, digest in self.indexes],
            "compiled": self.compiled,
            "root_image": self.root_image,
            "root_key": self.root_key,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Asked:
        """Return what ``to_json`` wrote; ``InputError`` where it is not that."""
        document = Document(data, "record")
        smoke = data.get("smoke")
        return Asked(
            Smoke.from_json(smoke) if smoke is not None else None,
            document.each("indexes", lambda item: (item.text("container"), item.text("digest"))),
            document.boolean("compiled"),
            document.text("root_image"),
            document.text("root_key"),
        )


@dataclass(frozen=True, slots=True)
class Proof:
    """What verifying an image gave: how its smoke run went, and what the trace says."""

    image: Image
    outcome: Outcome
    verdict: Verdict

    @property
    def proved(self) -> bool:
        """Whether the run went as it had to, and missed nothing."""
        return self.outcome.passed and not self.findings

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was missed for certain."""
        return tuple(finding for finding in self.verdict.findings if finding.certain)

    @property
    def suspects(self) -> tuple[Finding, ...]:
        """What may have been missed: it counts where the run failed."""
        if self.outcome.passed:
            return ()
        return tuple(finding for finding in self.verdict.findings if not finding.certain)

    @property
    def passed_over(self) -> tuple[PassedOver, ...]:
        """What was missed and is no finding, and why."""
        without = "the run asked for it, and did without it"
        asked = (
            PassedOver(finding.path, finding.program, without)
            for finding in self.verdict.findings
            if not finding.certain and self.outcome.passed
        )
        return (*self.verdict.passed_over, *asked)

    @property
    def failure(self) -> str:
        """What is wrong with the image, in words."""
        if not self.outcome.passed:
            return f"the smoke run failed: {self.outcome.said}"
        return "the image lacks what its build had, and what it looks for"

    @property
    def hint(self) -> str:
        """What to do about that."""
        if self.findings:
            return (
                "declare what is missing; rootfs_smoke.ignore names what the app does well without"
            )
        return "rootfs_smoke says what is run and what has to happen"

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "image": self.image.name,
            "digest": self.image.digest,
            "proved": self.proved,
            "smoke": self.outcome.to_json(),
            "findings": [finding.to_json() for finding in self.findings],
            "suspects": [finding.to_json() for finding in self.suspects],
            "passed_over": [item.to_json() for item in self.passed_over],
            "untouched": [item.to_json() for item in self.verdict.untouched],
            "processes": self.verdict.processes,
            "touched": self.verdict.touched,
        }

    def to_text(self) -> str:
        """Return it as a person reads it."""
        outcome, verdict = self.outcome, self.verdict
        lines = [
            f"image   {self.image.name}",
            f"digest  {self.image.digest}",
            f"smoke   {'passed' if outcome.passed else 'failed'}: {outcome.said}"
            f" ({outcome.seconds:.1f} s)",
            f"traced  {verdict.processes:,} processes, {verdict.touched:,} paths touched,"
            f" {len(self.findings):,} missing",
        ]
        if not outcome.passed:
            printed = [f"  {line}" for line in outcome.lines]
            lines += ["", "it printed last", *printed] if printed else ["", "it printed nothing"]
        if self.findings:
            lines += ["", *_findings(self.findings)]
        if self.suspects:
            lines += ["", "perhaps", *_findings(self.suspects[:_SHOWN])]
        if self.verdict.untouched and outcome.passed:
            lines += ["", *_untouched(self.verdict)]
        return "\n".join(map(printable, lines))


def asked_of(store: Store, name: str) -> tuple[Image, Asked]:
    """Return the image that a store knows by ``name`` (repository, with a tag other than
    ``latest``, or the digest), and what is known of it.

    Raises ``InputError`` where there is none, or nothing is known of it.
    """
    digest = digest_of(store, name)
    names = [ref for ref, found in store.refs().items() if found.digest == digest]
    image = find_image(store, min(names, default=digest), store.descriptor(digest))
    record = store.record(_key(digest))
    if image is None or record is None:
        raise StoreError(
            f"not all of image {name} is there",
            where=str(store.directory),
            hint="build it again: what is missing is made again",
        )
    return image, Asked.from_json(record)


def asked_instead(asked: Asked, own: Mapping[str, Any]) -> Asked:
    """Return ``asked`` with what is said over its smoke run now."""
    default = asked.smoke.to_json() if asked.smoke else {}
    return replace(asked, smoke=Smoke.merged(own, default))


def keep(store: Store, image: Image, asked: Asked) -> None:
    """Keep what is known of an image for whoever verifies it."""
    store.put_record(_key(image.digest), asked.to_json())


def verify(
    engine: Engine, owner: Process, store: Store, image: Image, asked: Asked, tracer: str
) -> Proof:
    """Run an image and judge the trace of it; ``tracer`` is the image that strace comes from.

    Raises ``InputError`` where nothing says what it has to show.
    """
    smoke = asked.smoke
    if smoke is None:
        raise InputError(
            "nothing says how to see that the image works",
            where=image.name,
            hint="set rootfs_smoke: {command: [PROGRAM, ARGUMENT]}, {http: {path: /}} or {tcp: {}}",
        )
    containers = [(name, load_index(store, digest)) for name, digest in asked.indexes]
    manifest = Fragment.from_json(store.manifest(image.digest))
    with loaded(engine, store, image) as reference:
        outcome, accesses = traced(engine, owner, image, reference, tracer, smoke)
    verdict = judge(
        accesses,
        manifest,
        containers,
        ignore=smoke.ignore,
        volumes=image.config.volumes,
        compiled=asked.compiled,
    )
    return Proof(image, outcome, verdict)


def _key(digest: str) -> str:
    return f"{VERIFIED}{digest.removeprefix('sha256:')}"


def _findings(findings: Sequence[Finding]) -> Iterable[str]:
    """Return a table of what was missed, one row for each line that is to be declared."""
    rows: dict[tuple[str, ...], list[Finding]] = {}
    for finding in findings:
        rows.setdefault(finding.declare, []).append(finding)
    table = [("process", "missing", "package", "declare")]
    for declare, found in rows.items():
        first = found[0]
        more = f" and {len(found) - 1:,} more" if len(found) > 1 else ""
        note = f" ({first.note})" if first.note else ""
        table.append(
            (
                first.program,
                f"{first.path}{more}{note}",
                first.package or "-",
                "; ".join(declare),
            )
        )
    return columns(table)


def _untouched(verdict: Verdict) -> Iterable[str]:
    total = sum(item.size for item in verdict.untouched)
    rows = [
        (size_text(item.size), f"{item.files:,}", item.name or "/")
        for item in verdict.untouched[:_SHOWN]
    ]
    yield (
        f"this run touched nothing of {size_text(total)}; another one may. The largest,"
        " by package or directory"
    )
    yield from columns([("size", "files", "of"), *rows])
