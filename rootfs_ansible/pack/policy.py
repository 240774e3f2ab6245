"""What an image holds, by its manifest and its layers, against what its policy allows."""

from __future__ import annotations

import json
import os.path
import re
import shlex
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

import yaml

from rootfs_ansible.errors import InputError
from rootfs_ansible.exporter.globs import base, compiled, is_glob
from rootfs_ansible.model.manifest import Edge, Entry, Fragment, Kind, Layer
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.model.policy import BUDGETS, Finding, Policy, Rule, Verdict
from rootfs_ansible.pack.link import led, resolved
from rootfs_ansible.pack.programs import unwanted
from rootfs_ansible.pack.reasons import Reasons
from rootfs_ansible.pack.secrets import secrets
from rootfs_ansible.pack.summary import columns, printable, size_text
from rootfs_ansible.store.layout import Store

# linux/capability.h, by their numbers.
_CAPABILITIES = (
    "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid",
    "setpcap", "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw",
    "ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct",
    "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config", "mknod",
    "lease", "audit_write", "audit_control", "setfcap", "mac_override", "mac_admin", "syslog",
    "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore",
)  # fmt: skip
_SETID, _STICKY, _WORLD_WRITABLE = 0o6000, 0o1000, 0o002
_CAPABILITY = "security.capability"
_SHOWN = 20
"""Paths of one rule that a message and the line that allows them name."""

_PLAIN = re.compile(r"/[\w./+@*-]*")


def read_policy(path: Path) -> Policy:
    """Return the policy of a YAML file, as the option ``rootfs_policy`` says it.

    Raises ``InputError`` where it cannot be read, or is no policy.
    """
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"cannot be read: {error}", where=str(path)) from error
    return Policy.parse(said, where=path.name, shared=False)


def evaluate(manifest: Fragment, policy: Policy, store: Store) -> Verdict:
    """Return what ``policy`` finds in an image; the content of its files is looked for secrets as
    far as ``store`` has its layers. Findings are sorted by rule and path.
    """
    entries = {entry.path: entry for entry in manifest.entries}
    rules = [rule for rule in Rule if rule not in (*policy.disabled, *BUDGETS)]
    found: dict[tuple[Rule, str], str] = {}
    unread = []
    for rule, subject, detail in _suspects(manifest, rules, store):
        if isinstance(subject, Layer):
            unread.append(subject.name)
        else:
            found.setdefault((rule, subject.path.text), detail)
    refused, stale = dict(found), []
    for allowance in policy.allowed:
        pattern = compiled(_by_its_place(allowance.pattern, entries))
        fits = [(rule, path) for rule, path in found
                if rule is allowance.rule and pattern.fullmatch(path)]  # fmt: skip
        for item in fits:
            refused.pop(item, None)
        if not fits and not allowance.shared and allowance.rule in rules:
            stale.append(f"{allowance.rule}: {allowance.pattern}")
    findings = [*_budgets(manifest, policy)]
    if refused:
        reasons = Reasons(manifest)
        findings += [
            Finding(
                rule,
                path,
                "; ".join(filter(None, (detail, _description(entries[ImagePath(path)])))),
                _brought(reasons, path),
            )
            for (rule, path), detail in refused.items()
        ]
    order = list(Rule)
    findings.sort(key=lambda finding: (order.index(finding.rule), finding.path))
    return Verdict(tuple(findings), tuple(stale), tuple(unread))


def table(findings: Iterable[Finding], most: int | None = None) -> list[str]:
    """Return findings as lines with columns: the rule, the path, what is wrong, and what brings
    it; at most ``most`` of each rule, and how many more there are."""
    counted: Counter[Rule] = Counter()
    rows = []
    for finding in findings:
        counted[finding.rule] += 1
        if most is None or counted[finding.rule] <= most:
            path = finding.path or "(the image)"
            rows.append((str(finding.rule), path, finding.detail, finding.brought))
    rows += [
        (str(rule), f"and {number - most:,} more", "", "")
        for rule, number in counted.items()
        if most is not None and number > most
    ]
    return columns([tuple(map(printable, row)) for row in rows])


def short_table(findings: Iterable[Finding]) -> list[str]:
    """Return as many lines of ``table`` as a message holds."""
    return table(findings, _SHOWN)


def way_out(findings: Iterable[Finding], policy: Policy, app: str, image: str) -> str:
    """Return what to do about findings: the very lines that would allow them for ``app``, which
    keep what it is allowed already. ``image`` is the digest by which the image is found."""
    findings = tuple(findings)
    lines = []
    refused = _refused(findings)
    if refused:
        allowed = {
            rule: [item.pattern for item in policy.allowed
                   if item.rule is rule and not item.shared]
            for rule in Rule
        }  # fmt: skip
        line = {
            str(rule): [*allowed[rule], *_patterns(refused.get(rule, ()))]
            for rule in Rule
            if allowed[rule] or rule in refused
        }
        said = ", ".join(
            f"{rule}: [{', '.join(map(_scalar, patterns))}]" for rule, patterns in line.items()
        )
        argument = json.dumps({"rootfs_policy_allow": line})
        lines += [
            f"take out what brings them (rootfs-ansible why {image} PATH tells the whole way), or",
            f"allow them in the inventory, such as host_vars/{app}.yml, with the reason:",
            f"    rootfs_policy_allow: {{{said}}}",
            f"or for one build: -e {shlex.quote(argument)}",
        ]
    if Rule.SECRET in refused:
        lines.append(
            "Keep secrets out of the sources (.dockerignore), replace those that were built, and"
            " give them to the app where it runs."
        )
    if any(finding.rule in BUDGETS for finding in findings):
        lines.append(
            f"{'The' if lines else 'the'} budgets are {', '.join(map(str, BUDGETS))} of"
            " rootfs_policy."
        )
    return "\n".join(lines)


def _suspects(
    manifest: Fragment, rules: Iterable[Rule], store: Store
) -> Iterator[tuple[Rule, Entry | Layer, str]]:
    """Yield what ``rules`` look for, or a layer that could not be read."""
    for entry in manifest.entries:
        if entry.kind is Kind.FILE and entry.mode & _SETID and Rule.SETUID in rules:
            yield Rule.SETUID, entry, ""
        capabilities = dict(entry.xattrs).get(_CAPABILITY) if entry.xattrs else None
        if capabilities is not None and Rule.SETUID in rules:
            yield Rule.SETUID, entry, _capability_names(capabilities)
        if entry.mode & _WORLD_WRITABLE and Rule.WORLD_WRITABLE in rules:
            if entry.kind is Kind.SYMLINK:
                continue
            if not (entry.kind is Kind.DIRECTORY and entry.mode & _STICKY):
                yield Rule.WORLD_WRITABLE, entry, ""
    for rule, entry, detail in unwanted(manifest):
        if rule in rules:
            yield rule, entry, detail
    if Rule.SECRET in rules:
        for subject, detail in secrets(
            manifest,
            lambda layer: store.blob(layer.digest) if store.has(layer.digest, layer.size) else None,
        ):
            yield Rule.SECRET, subject, detail


def _budgets(manifest: Fragment, policy: Policy) -> Iterator[Finding]:
    """Yield the budgets that an image exceeds, counted as a build's own table counts."""
    sizes: Counter[str] = Counter()
    files: Counter[str] = Counter()
    for entry in manifest.entries:
        sizes[entry.package or f"layer {entry.layer}"] += entry.taken
        files[entry.layer] += entry.kind is not Kind.DIRECTORY
    packages = Counter(package.layer for package in manifest.packages)
    for budget, used, most in (
        (Rule.SIZE, sum(layer.size for layer in manifest.layers), sizes),
        (Rule.PACKAGES, len(manifest.packages), packages),
        (Rule.FILES, sum(files.values()), files),
    ):
        limit = policy.limit(budget)
        if limit is not None and used > limit:
            show = size_text if budget is Rule.SIZE else "{:,}".format
            yield Finding(
                budget,
                "",
                f"{show(used)}, and {show(limit)} are allowed",
                ", ".join(
                    f"{name} {show(amount)}" for name, amount in most.most_common(3) if amount
                ),
            )


def _by_its_place(pattern: str, entries: Mapping[ImagePath, Entry]) -> str:
    """Return ``pattern`` as the image names what it means: /bin may be a link to /usr/bin."""
    if not pattern.startswith("/"):
        return pattern
    top = base(pattern)
    at = resolved(top, entries)
    if at is None or at not in entries:
        return pattern
    # A link is allowed for itself; below one is where it leads to.
    found = led(entries[at], entries) if is_glob(pattern) else entries[at]
    return found.path.text + pattern[len(top.text) :] if found else pattern


def _description(entry: Entry) -> str:
    size = f", {size_text(entry.size)}" if entry.kind is Kind.FILE else ""
    package = f", of package {entry.package}" if entry.package else ""
    mode = "" if entry.kind is Kind.SYMLINK else f" {entry.mode:04o}"
    return f"{entry.kind}{mode}{size}{package}"


def _brought(reasons: Reasons, path: str) -> str:
    try:
        chain = reasons.chain(ImagePath(path))
    except InputError:
        return "nothing explains it"
    first = chain[0]
    detail = f" ({first.detail})" if first.detail else ""
    return f"by {first.source}{detail}{_over(chain)}"


def _over(chain: tuple[Edge, ...]) -> str:
    last = chain[-1]
    return f", for {last.source} ({last.kind})" if len(chain) > 1 else ""


def _refused(findings: Iterable[Finding]) -> dict[Rule, list[str]]:
    refused: dict[Rule, list[str]] = {}
    for finding in findings:
        if finding.rule not in BUDGETS:
            refused.setdefault(finding.rule, []).append(finding.path)
    return refused


def _patterns(paths: Iterable[str]) -> list[str]:
    """Return what allows ``paths``: each of them, or where these are many, where all of one
    directory of the root lie; never the root itself, which would allow whatever comes."""
    found = sorted(paths)
    if len(found) <= _SHOWN:
        return found
    patterns = []
    for _, group in groupby(found, lambda path: path.split("/")[1]):
        below = list(group)
        top = os.path.commonpath(below)
        patterns += [top] * (top in below) + [f"{top}/**"] * (below != [top])
    return patterns


def _scalar(text: str) -> str:
    """Return a text as YAML can hold it in a list."""
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


def _capability_names(value: str) -> str:
    """Return the capabilities of the hexadecimal value of an xattr (linux/capability.h, struct
    vfs_cap_data: a word of flags, then the low and the high words of two sets)."""
    number = len(value) // 8
    try:
        words = struct.unpack(f"<{number}I", bytes.fromhex(value[: number * 8]))
    except ValueError:
        words = ()
    sets = sum((words[at] | words[at + 1]) << 16 * (at - 1) for at in range(1, len(words) - 1, 2))
    names = [
        _CAPABILITIES[bit] if bit < len(_CAPABILITIES) else f"capability {bit}"
        for bit in range(64)
        if sets >> bit & 1
    ]
    return f"capabilities: {', '.join(names) or 'none'}"
