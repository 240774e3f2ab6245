"""Files that look like secrets, by their names and by what they hold."""

from __future__ import annotations

import bisect
import mmap
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from rootfs_ansible.exporter.globs import any_of
from rootfs_ansible.model.manifest import Entry, Fragment, Kind, Layer

_READ = 1 << 20
"""Bytes of a file that is judged by its name first: such files are small."""

# What can hold nothing else, or what nobody can look into.
_CERTAIN = any_of(
    tuple(
        f"/**/{name}"
        for name in (
            ".vault-token", ".vault_pass*", "*.jks", "*.kdbx", "*.keystore", "*.p12", "*.pfx",
            "*.ppk", "application_default_credentials.json", "id_dsa", "id_ecdsa", "id_ecdsa_sk",
            "id_ed25519", "id_ed25519_sk", "id_rsa", "terraform.tfstate", "vault_pass*",
        )
    )
)  # fmt: skip

# Of what an app brings, so that no text may take more than linear time.
_LOGIN = rb"://[^/\s:@]{1,80}:[^/\s@$<{]{1,200}@"
_PASSWORD = rb"(?im)^[ \t]{0,80}password[ \t]{0,80}[=:][ \t]{0,80}\S"
_ASSIGNED = (
    rb"(?im)^[ \t]{0,80}(?:export[ \t]{1,80})?([a-z0-9_.-]{0,60}?"
    rb"(?:passw(?:or)?d|passphrase|secret|token|api_?key|private_?key|access_?key|credentials?)"
    rb"[a-z0-9_]{0,60})[ \t]{0,80}[=:][ \t]{0,80}[\"']?"
    # No value, another variable, or what an author writes where a reader is to put one.
    rb"(?![\"'\s$<{#]|x{3}|\*|your|change|replace|example|dummy|todo|none\b|null\b|true\b|false\b)"
    rb"[^\s\"']{4,}"
)
# By what they are called they may hold a secret, or none: what is in them decides.
_JUDGMENTS = (
    (
        (".npmrc", ".yarnrc", ".yarnrc.yml"),
        rb"(?:_auth(?:Token)?|_password|npmAuth(?:Token|Ident))\"?"
        rb"\s{0,80}[=:]\s{0,80}\"?(?![\"$\s])\S",
        "a token of a registry",
    ),
    ((".pypirc", "pip.conf"), _PASSWORD + b"|" + _LOGIN, "a password"),
    ((".my.cnf",), _PASSWORD, "a password"),
    ((".netrc", "_netrc"), rb"\bpassword\s{1,80}\S", "a password"),
    ((".git-credentials", ".git/config"), _LOGIN, "a password"),
    ((".pgpass",), rb"(?m)^(?!#)(?:[^:\n]{0,200}:){4}[^\s:]", "a password"),
    (
        (".docker/config.json", ".dockercfg"),
        rb"\"(?:auth|identitytoken|password|registrytoken)\"\s{0,80}:\s{0,80}\"[^\"]",
        "a token of a registry",
    ),
    (
        (".aws/credentials", ".boto", ".s3cfg"),
        rb"secret_(?:access_)?key[ \t]{0,80}=[ \t]{0,80}\S",
        "an access key",
    ),
    (
        (".kube/config", "kubeconfig", "*.kubeconfig"),
        rb"(?m)^[ \t]{0,80}(?:client-key-data|token|password):[ \t]{0,80}\S",
        "an access key",
    ),
    (
        (".cargo/credentials*",),
        rb"(?m)^token[ \t]{0,80}=[ \t]{0,80}\S",
        "a token of a registry",
    ),
    (("shadow", "shadow-", "gshadow"), rb"(?m)^[^:\n]{1,80}:!?\$[0-9a-z]+\$", "a password"),
    (
        ("*.key", "*.der", "*.pk8"),
        # X.690: a sequence that begins with a version, as those of RFC 5208, 5915 and 8017.
        rb"\A\x30(?:[\x00-\x7f]|\x81.|\x82..)\x02\x01[\x00\x01]",
        "a private key",
    ),
    ((".env", ".env.*", "*.env"), _ASSIGNED + b"|" + _LOGIN, "a password"),
)
_JUDGED = tuple(
    (any_of(tuple(f"/**/{name}" for name in names)), re.compile(pattern, re.S), what)
    for names, pattern, what in _JUDGMENTS
)
# What most files are told by.
_JUDGED_NAMES = any_of(
    tuple(name.rpartition("/")[2] for names, _, _ in _JUDGMENTS for name in names)
)
_SAMPLES = re.compile(r".*\.(?:defaults?|dist|example|sample|schema|template|tpl)", re.S)

_PRIVATE_KEYS = (
    (
        re.compile(
            rb"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            # As lines, or as a string of some language; headers (RFC 1421, RFC 9580) may follow.
            rb"(?:\\[rn]|[\s\"'+,]){1,64}(?:[A-Za-z-]{1,32}: [^\n]{0,200}\n\s{0,8}){0,8}"
            rb"[A-Za-z0-9+/=]{60}"
        ),
        "a private key",
    ),
    (re.compile(rb"PuTTY-User-Key-File-[0-9]: "), "a private key"),
)
# Formats that nothing else has, of who issues them.
_TOKENS = tuple(
    # A pattern that begins with plain text is found at the speed of memory: what may not stand
    # before it is looked at from behind it.
    (
        re.compile(prefix + rb"(?<![A-Za-z0-9_]" + prefix + b")" + rest + rb"(?![A-Za-z0-9_])"),
        what,
    )
    for prefix, rest, what in (
        # Documentation uses keys that end so.
        (b"AKIA", rb"(?!.{9}EXAMPLE)[A-Z2-7]{16}", "an access key of AWS"),
        (b"ghp_", rb"[A-Za-z0-9]{36}", "a token of GitHub"),
        (b"github_pat_", rb"[A-Za-z0-9_]{82}", "a token of GitHub"),
        (b"glpat-", rb"[A-Za-z0-9_-]{20}", "a token of GitLab"),
        (b"npm_", rb"[A-Za-z0-9]{36}", "a token of npm"),
        (b"sk_live_", rb"[A-Za-z0-9]{24,99}", "a key of Stripe"),
        (b"xoxb-", rb"[0-9]{8,20}-[A-Za-z0-9-]{20,99}", "a token of Slack"),
    )
)

# What is published with a library keeps nothing secret: keys for its own tests, and those that its
# documentation shows. What is a key as a whole may be somebody's.
_LIBRARY = r".*/(?:node_modules|(?:dist|site)-packages)/"
_PUBLISHED = re.compile(
    rf"{_LIBRARY}(?:.*/)?(?:tests?|__tests__|testing|fixtures|__fixtures__|examples?|specs?)/.*",
    re.S,
)
_SHOWN = re.compile(rf"{_LIBRARY}.*(?<!\.json)(?<!\.key)(?<!\.p8)(?<!\.pem)", re.S)

Search = Iterable[tuple[re.Pattern[bytes], str]]


def secrets(
    manifest: Fragment, blob: Callable[[Layer], Path | None]
) -> Iterator[tuple[Entry | Layer, str]]:
    """Yield each file that looks like a secret, and what it looks like; or a layer whose files
    ``blob`` has not, so that names alone could tell.

    What a distribution's package or the tests of a library bring is public. Tokens are looked for
    in the uppermost layer, the app's own; keys everywhere. Samples (``.env.example``) are none.
    """
    for layer in manifest.layers:
        own = layer is manifest.layers[-1]
        files = [
            entry
            for entry in manifest.entries
            if entry.layer == layer.name
            and entry.kind is Kind.FILE
            and (own or not entry.package)
            and not _PUBLISHED.fullmatch(entry.path.text)
        ]
        if not files:
            continue
        certain = [entry for entry in files if _CERTAIN.fullmatch(entry.path.text)]
        yield from ((entry, f"is called {entry.path.name}") for entry in certain)
        path = blob(layer)
        if path is None:
            yield layer, "is not there"
            continue
        others = {entry.path.text: entry for entry in files}
        for entry in certain:
            del others[entry.path.text]
        yield from _held(path, others, [*_PRIVATE_KEYS, *(_TOKENS if own else ())])


def _held(path: Path, files: Mapping[str, Entry], search: Search) -> Iterator[tuple[Entry, str]]:
    """Yield those of ``files`` that hold a secret, in the tar of their layer."""
    judged = {name: by for name in files if (by := _judges(name))}
    files = dict(files)
    for name, entry in list(files.items()):
        # The bytes are where the first name is; what the others are called counts all the same.
        if entry.hardlink is not None:
            files.setdefault(entry.hardlink.text, entry)
            if name in judged:
                judged.setdefault(entry.hardlink.text, judged[name])
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        # A layer as a whole is searched at the speed of memory; whose the hits are, only its
        # headers say, which are slow to read.
        hits = sorted(
            (hit.start(), what) for pattern, what in search for hit in pattern.finditer(content)
        )
        if not (hits or judged):
            return
        with tarfile.open(fileobj=file, mode="r:") as archive:
            for member in archive:
                name = f"/{member.name}"
                if not member.isreg() or name not in files:
                    continue
                start, end = member.offset_data, member.offset_data + member.size
                first = bisect.bisect(hits, (start,))
                at, what = hits[first] if first < len(hits) else (end, "")
                if at >= end or (at > start and _SHOWN.fullmatch(name)):
                    what = ""
                if not what and name in judged:
                    pattern, said = judged[name]
                    found = pattern.search(content[start : min(end, start + _READ)])
                    # Of an assignment it says of what, and never the value.
                    if found:
                        what = f"a value for {found[1].decode()}" if found.lastindex else said
                if what:
                    yield files[name], f"holds {what}"


def _judges(name: str) -> tuple[re.Pattern[bytes], str] | None:
    if not _JUDGED_NAMES.fullmatch(name.rpartition("/")[2]) or _SAMPLES.fullmatch(name):
        return None
    return next(((by, what) for names, by, what in _JUDGED if names.fullmatch(name)), None)
