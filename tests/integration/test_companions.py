"""Every companion rule is needed: without it, a real program does not do what it is shipped for.

One container has all the programs. For each rule, what a program needs is exported, unpacked and
entered, and the program run; then once more without the rule.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import CHECKOUT, Commands
from services import Docker
from trees import compiled, library

from rootfs_ansible.exporter.archive import zipapp
from rootfs_ansible.exporter.companions import built_in
from rootfs_ansible.model.document import Document
from rootfs_ansible.model.request import Companion, ExportRequest, Output

pytestmark = pytest.mark.engine

PACKAGES = """
ca-certificates clinfo dirmngr file fontconfig fonts-dejavu-core ghostscript git glib-networking
gnutls-bin gpg gpg-agent graphviz imagemagick keyboxd krb5-kdc krb5-user libgdk-pixbuf2.0-bin
libheif-examples libnss-myhostname libsasl2-modules libvips-tools libxml2-utils locales musl
ncurses-bin nodejs openssl pamtester pandoc perl python3 sasl2-bin scdaemon shared-mime-info
tesseract-ocr tzdata vulkan-tools
"""

PLAYBOOK = """
- hosts: machine
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: rootfs.builder.rootfs
        tasks_from: packages
      vars:
        rootfs_needed_packages: {packages}
        rootfs_epoch: 0
"""

PREPARE = """
set -e
# A vendor's drivers are a compiler of 150 MB; the loaders that look for them are small.
cd /tmp
apt-get download --quiet=2 libegl1 libglvnd0
for package in *.deb; do dpkg-deb --extract "$package" /; done
localedef -i de_DE -f UTF-8 de_DE.UTF-8
mkdir --parents /etc/OpenCL/vendors /usr/share/glvnd/egl_vendor.d /usr/share/vulkan/icd.d
echo liblz4.so.1 > /etc/OpenCL/vendors/lz4.icd
driver='{"file_format_version": "1.0.0", "ICD": {"api_version": "1.0.0", "library_path":'
echo "$driver \\"liblz4.so.1\\"}}" > /usr/share/glvnd/egl_vendor.d/lz4.json
echo "$driver \\"/usr/lib/x86_64-linux-gnu/liblz4.so.1\\"}}" > /usr/share/vulkan/icd.d/lz4.json
"""
"""What no package brings; a driver of OpenCL, EGL and Vulkan is any library that the loader says
it opens."""

CERTIFICATE = "/usr/share/ca-certificates/mozilla/ISRG_Root_X1.crt"
PYTHON = "/usr/bin/python3.13"
LIBRARIES = "/usr/lib/x86_64-linux-gnu"
OPENED = "lib/x86_64-linux-gnu/liblz4.so.1 [0]; direct_opencount=1"


@dataclass(frozen=True)
class Probe:
    """``words`` print ``expects`` (or the file ``shows`` holds it) in a rootfs of the paths
    ``ships``, a text."""

    words: tuple[str, ...]
    expects: str
    ships: str = ""
    input: str = ""
    shows: str = ""
    user: int = 0
    environment: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    @property
    def shipped(self) -> tuple[str, ...]:
        return (self.words[0], *self.ships.split())

    def outputs(self) -> list[Output]:
        return [Output("app", "test", path) for path in self.shipped]


def probe(*words: str, expects: str, ships: str = "", **more: Any) -> Probe:
    return Probe(words, expects, ships, **more)


GETENT = probe("/usr/bin/getent", "hosts", "here.localhost", expects="localhost")
PAM = probe(
    "/usr/bin/pamtester", "other", "someone", "open_session",
    expects="successfully opened a session",
    files={
        "/etc/passwd": "root:x:0:0:::\nsomeone:x:9:9::/:/bin/sh\n",
    },
)  # fmt: skip
EGL = probe(
    PYTHON, "-c",
    "import ctypes; egl = ctypes.CDLL('libEGL.so.1'); egl.eglQueryString(None, 0x3055)",
    expects=OPENED,
    ships=f"{LIBRARIES}/libEGL.so.1",
    environment={"LD_DEBUG": "files"},
)  # fmt: skip
OPENCL = probe("/usr/bin/clinfo", expects=OPENED, environment={"LD_DEBUG": "files"})
VULKAN = probe(
    "/usr/bin/vulkaninfo", "--summary",
    expects=OPENED,
    ships=f"{LIBRARIES}/libvulkan.so.1",
    environment={"LD_DEBUG": "files"},
)  # fmt: skip
LATIN = "Subject: =?ISO-8859-1?Q?caf=E9?=\nContent-Type: text/plain; charset=ISO-8859-1\n\ntext\n"

PROBES = {
    "bash": probe(
        "/usr/bin/env", "/bin/bash", "-c", "echo ran", expects="ran", ships="/usr/bin/bash"
    ),
    "ca-certificates": probe(
        "/usr/bin/openssl", "verify", CERTIFICATE, expects=": OK", ships=CERTIFICATE
    ),
    "ca-certificates-gnutls": probe(
        "/usr/bin/certtool", "--verify", "--infile", CERTIFICATE, expects="Verified.",
        ships=CERTIFICATE,
    ),
    "egl-vendor-libraries": EGL,
    "egl-vendors": EGL,
    "fontconfig": probe("/usr/bin/fc-match", "sans", expects="DejaVu"),
    "fontconfig-cache": probe(
        "/usr/bin/fc-cat", "/usr/share/fonts/truetype/dejavu", expects="DejaVuSerif", user=65534
    ),
    "gconv-git": probe("/usr/bin/git", "mailinfo", "/tmp/m", "/tmp/p", expects="café", input=LATIN),
    "gconv-iconv": probe(
        "/usr/bin/iconv", "-f", "UTF-8", "-t", "ISO-8859-1", expects="plain", input="plain"
    ),
    "gconv-xmllint": probe(
        "/usr/bin/xmllint", "-", expects="?>\n<a>",
        input='<?xml version="1.0" encoding="CP1252"?><a>b</a>',
    ),
    "gdk-pixbuf-loaders": probe(
        "/usr/bin/gdk-pixbuf-thumbnailer", "/in.ppm", "/tmp/out.png", expects="PNG",
        shows="/tmp/out.png", files={"/in.ppm": "P3 1 1 255 0 0 0\n"},
    ),
    "ghostscript": probe(
        "/usr/bin/gs", "-q", "-dNODISPLAY", "-dBATCH", "-c", "(ran) =", expects="ran"
    ),
    "gio-modules": probe(
        PYTHON, "-c",
        "import ctypes; gio = ctypes.CDLL('libgio-2.0.so.0');"
        "gio.g_tls_backend_get_default.restype = ctypes.c_void_p;"
        "backend = ctypes.c_void_p(gio.g_tls_backend_get_default());"
        "print('TLS', gio.g_tls_backend_supports_tls(backend))",
        expects="TLS 1",
        ships=f"{LIBRARIES}/libgio-2.0.so.0",
    ),
    "git": probe("/usr/bin/git", "ls-remote", "https://localhost:1/", expects="onnect"),
    "git-templates": probe(
        "/usr/bin/git", "init", "/tmp/new", expects="Unnamed", shows="/tmp/new/.git/description"
    ),
    "gnupg": probe(
        "/usr/bin/gpg", "--batch", "--passphrase", "", "--quick-generate-key", "someone",
        expects="revocation certificate stored",
    ),
    "graphviz": probe("/usr/bin/dot", "-Tplain", expects="node one", input="graph { one }"),
    "imagemagick": probe(
        "/usr/bin/magick", "-size", "1x1", "xc:red", "txt:-", expects="#FF"
    ),
    "imagemagick-messages": probe(
        "/usr/bin/magick", "identify", "/none.png", expects="unable to open image"
    ),
    "kerberos": probe("/usr/bin/kinit", "someone", expects="getting initial credentials"),
    "kerberos-plugins": probe(
        "/usr/sbin/kdb5_util", "-r", "TEST", "-d", "/tmp/db", "create", "-s", "-P", "x", "-sf",
        "/tmp/stash", expects="kadmin/admin@TEST", shows="/tmp/db",
    ),
    "libheif-plugins": probe("/usr/bin/heif-dec", "--list-decoders", expects="dav1d"),
    "libmagic": probe("/usr/bin/file", "/usr/bin/file", expects="ELF 64-bit"),
    "locale-archive": probe(
        "/usr/bin/date", "--date=2024-01-01", "+%A", expects="Montag",
        environment={"LC_ALL": "de_DE.UTF-8"},
    ),
    "musl-search-path": probe("/opt/musl-program", expects="ran"),
    "name-service-switch": GETENT,
    "node-builtins": probe("/usr/bin/node", "-e", "console.log('ran')", expects="ran"),
    "nss-modules": GETENT,
    "opencl-vendor-libraries": OPENCL,
    "opencl-vendors": OPENCL,
    "openssl-configuration": probe(
        "/usr/bin/openssl", "req", "-x509", "-newkey", "ed25519", "-noenc", "-subj", "/CN=x",
        "-keyout", "-", expects="BEGIN CERTIFICATE",
    ),
    "openssl-providers": probe(
        "/usr/bin/openssl", "dgst", "-md4", "-provider", "legacy", "-provider", "default",
        expects="31d6cfe0d16ae931b73c59d7e0c089c0",
    ),
    "pam": PAM,
    "pam-modules": PAM,
    "pandoc": probe("/usr/bin/pandoc", "--standalone", expects="<html", input="text"),
    "perl": probe("/usr/bin/perl", "-e", "use strict; print 'ran'", expects="ran"),
    "perl-modules": probe(
        "/usr/bin/perl", "-MError", "-MEncode", "-e", "print encode('UTF-8', 'ran')",
        expects="ran", ships="/usr/share/perl5/Error.pm",
    ),
    "python": probe(PYTHON, "-c", "print(6 * 7)", expects="42"),
    "python-extensions": probe(PYTHON, "-c", "import _ctypes; print(6 * 7)", expects="42"),
    "sasl": probe("/usr/sbin/saslpluginviewer", "-c", expects="SCRAM-SHA-256"),
    "shell": probe(
        "/usr/bin/mawk", 'BEGIN { system("echo ran") }', expects="ran", ships="/usr/bin/sh"
    ),
    "terminfo": probe("/usr/bin/tput", "-T", "xterm", "cols", expects="80"),
    "tesseract": probe("/usr/bin/tesseract", "--list-langs", expects="eng"),
    "time-zones": probe("/usr/bin/zdump", "Europe/Berlin", expects="CE"),
    "vips-modules": probe("/usr/bin/vips", "-l", expects="heifload"),
    "vulkan-driver-libraries": VULKAN,
    "vulkan-drivers": VULKAN,
}  # fmt: skip
"""For each rule a program that shows what it is for."""

MUSL_PROGRAM = """
extern int x;
void _start(void) {
    static const char text[] = "ran\\n";
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(1), "D"(1), "S"(text), "d"(4 + x)
                     : "rcx", "r11", "memory");
    __asm__ volatile("syscall" : : "a"(231), "D"(0));
}
"""


def of_the_stacks() -> dict[str, Companion]:
    """The rules that the contracts of our stacks add."""
    found = {}
    for path in sorted((CHECKOUT / "roles").glob("stack_*/meta/stack.yml")):
        stack = Document(yaml.safe_load(path.read_text()), path.name)
        found |= {rule.name: rule for rule in stack.each("companions", Companion.from_json)}
    return found


BUILT_IN = {rule.name for rule in built_in()}
# One that takes the place of a rule of the exporter asks for part of what that brings.
OF_THE_STACKS = {name: rule for name, rule in of_the_stacks().items() if name not in BUILT_IN}
RULES = BUILT_IN | OF_THE_STACKS.keys()


@pytest.fixture(scope="module")
def machine(
    commands: Commands, docker: Docker, root_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A container that has every program of the probes, and the exporter."""
    scratch = tmp_path_factory.mktemp("machine")
    container = docker(
        "run",
        "--detach",
        "--env=SOURCE_DATE_EPOCH=0",
        "--tmpfs=/var/in-rootfs:exec,dev",
        root_image,
        "sleep",
        "infinity",
    )
    try:
        playbook = scratch / "playbook.yml"
        playbook.write_text(PLAYBOOK.format(packages=PACKAGES.split()))
        inventory = scratch / "inventory.ini"
        inventory.write_text(
            f"machine ansible_connection=community.docker.docker ansible_host={container}\n"
        )
        ended = commands.run("ansible-playbook", "--inventory", inventory, playbook)
        assert ended.returncode == 0, ended.stdout
        docker("exec", container, "sh", "-c", PREPARE)
        placed = musl_program(scratch / "musl")
        placed |= {"/opt/exporter.pyz": zipapp(scratch / "exporter.pyz")}
        placed |= {"/opt/in_rootfs.py": CHECKOUT / "tests" / "in_rootfs.py"}
        for path, file in placed.items():
            docker("cp", file, f"{container}:{path}")
        yield container
    finally:
        docker("rm", "--force", "--volumes", container)


def musl_program(scratch: Path) -> dict[str, Path]:
    """Make a program of musl and its library, where only musl's search path leads."""
    directory = "/usr/lib/x86_64-linux-musl"
    shared = library(scratch, f"{directory}/libmine.so")
    program = compiled(
        scratch,
        MUSL_PROGRAM,
        "-pie",
        "-fPIE",
        "-Wl,-dynamic-linker,/lib/ld-musl-x86_64.so.1",
        shared,
    )
    return {f"{directory}/libmine.so": shared, "/opt/musl-program": program}


def requested(probe: Probe, *rules: Companion) -> dict[str, Any]:
    """Return the request for what ``probe`` ships, with the stacks' rules and ``rules``."""
    known = (*OF_THE_STACKS.values(), *rules)
    return ExportRequest(("app",), tuple(probe.outputs()), companions=known).to_json()


def answers(docker_host: str, container: str, probe: Probe, rule: str) -> dict[str, Any]:
    """Run ``probe`` with all rules and without ``rule``, and return what it printed."""
    removed = Companion(rule, "removed", ("/removed",), ("/removed",))
    command = ["docker", "--host", docker_host, "exec", "--interactive", container]
    ended = subprocess.run(
        [*command, "python3", "/opt/in_rootfs.py", "/opt/exporter.pyz"],
        input=json.dumps(
            {
                "request": requested(probe),
                "lacking": requested(probe, removed),
                "files": probe.files,
                "words": probe.words,
                "environment": probe.environment,
                "input": probe.input,
                "shows": probe.shows,
                "user": probe.user,
            }
        ),
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    said: dict[str, Any] = json.loads(ended.stdout)
    return said


def test_every_rule_has_a_program() -> None:
    assert sorted(RULES) == sorted(PROBES)


# Those that ship the same follow each other, and share their export.
@pytest.mark.parametrize("name", sorted(PROBES, key=lambda name: (PROBES[name].shipped, name)))
def test_a_program_does_not_do_without_the_rule(docker_host: str, machine: str, name: str) -> None:
    used = PROBES[name]
    said = answers(docker_host, machine, used, name)
    assert "error" not in said, said
    assert used.expects in said["complete"]
    assert used.expects not in said["lacking"]
