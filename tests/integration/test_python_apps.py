"""Python projects of every kind, built by one run of the playbook; and how others fail."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import subprocess
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import Commands
from runs import Run, write

pytestmark = pytest.mark.engine

APPS = Path(__file__).with_name("apps")
PACKAGES = "usr/local/lib/python3.13/dist-packages"

# An app of files alone, with an extension of its own as a requirement.
NATIVE = {
    "requirements.txt": "./native\n",
    "main.py": "import native\nprint(native.where())\n",
    "rootfs.yml": "rootfs_command: [python, main.py]\n",
    "native/setup.py": "from setuptools import Extension, setup\n\n"
    "setup(name='native', version='1', ext_modules=[Extension('native', ['native.c'])])\n",
    "native/native.c": """\
#include <Python.h>

static PyObject *
where(PyObject *module, PyObject *nothing)
{
    return PyUnicode_FromString(__FILE__);
}

static PyMethodDef methods[] = {{"where", where, METH_NOARGS, NULL}, {NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "native", NULL, 0, methods};

PyMODINIT_FUNC
PyInit_native(void)
{
    return PyModuleDef_Init(&module);
}
""",
}
SETUP = {"setup.py": "from setuptools import setup\n\nsetup(name='tiny', version='1')\n"}


def pyproject(*lines: str, name: str = "tiny") -> str:
    """Return a pyproject.toml of a package, with further lines of its table project."""
    build = '[build-system]\nrequires = ["setuptools>=77"]\n[tool.setuptools]\npackages = []\n'
    return f'[project]\nname = "{name}"\nversion = "1"\n' + "".join(f"{x}\n" for x in lines) + build


def extension(source: str, *libraries: str) -> dict[str, str]:
    """Return the files of a package whose extension is ``source``, linked with ``libraries``."""
    made = f"Extension('broken', ['broken.c'], libraries={list(libraries)})"
    return {
        "setup.py": "from setuptools import Extension, setup\n\n"
        f"setup(name='broken', version='1', ext_modules=[{made}])\n",
        "broken.c": source,
    }


FAILING: Mapping[str, Mapping[str, str]] = {
    "py-absent": {"requirements.txt": "no-such-package-of-anybody==1\n"},
    "py-broken": extension("#include <Python.h>\nint x = nothing;\n"),
    "py-command": {"requirements.txt": "", "app.py": ""},
    "py-foreign": extension("#include <Python.h>\n", "nowhere"),
    "py-hash": {"requirements.txt": f"idna==3.10 --hash=sha256:{'0' * 64}\n"},
    "py-header": extension("#include <nowhere/odd.h>\n"),
    "py-incomplete": {"pyproject.toml": pyproject('dependencies = ["idna"]'),
                      "requirements.txt": "colorama\n"},
    "py-loads": {
        "setup.py": "import subprocess\nfrom setuptools import Extension, setup\n\n"
        "subprocess.check_call(['gcc', '-shared', '-Wl,-soname,libgone.so.7', 'gone.c', '-o',"
        " '/var/tmp/libgone.so'])\n"
        "made = Extension('loads', ['loads.c'], libraries=['gone'], library_dirs=['/var/tmp'])\n"
        "setup(name='loads', version='1', ext_modules=[made])\n",
        "gone.c": "void *gone(void) { return 0; }\n",
        "loads.c": "extern void *gone(void);\nvoid *PyInit_loads(void) { return gone(); }\n",
        "rootfs.yml": "rootfs_command: [python3, -m, loads]\n",
    },
    "py-locks": {"pyproject.toml": pyproject(), "uv.lock": "", "poetry.lock": ""},
    "py-older": {"pyproject.toml": pyproject('requires-python = ">=3.99"')},
    "py-scripts": {
        "pyproject.toml": pyproject("[project.scripts]", 'one = "x:y"', 'two = "x:y"'),
    },
    "py-stale": {
        "pyproject.toml": pyproject('dependencies = ["idna"]', 'requires-python = ">=3.12"'),
        "uv.lock": 'version = 1\nrequires-python = ">=3.12"\n\n[[package]]\nname = "tiny"\n'
        'version = "1"\nsource = { virtual = "." }\n',
    },
    "py-unsatisfied": {"requirements.txt": "idna>3\nidna<2\n"},
    "py-wrong": {"pyproject.toml": "[project\n"},
}  # fmt: skip


def wheel(directory: Path, name: str, files: Mapping[str, bytes]) -> Path:
    """Write a wheel of some files, as one that comes with an app."""
    info = f"{name}-1.0.dist-info"
    tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    content = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": tags.encode(),
    }
    path = directory / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inner, data in content.items():
            archive.writestr(inner, data)
        archive.writestr(
            f"{info}/RECORD", "".join(f"{x},,\n" for x in (*content, f"{info}/RECORD"))
        )
    return path


def pylock(directory: Path) -> None:
    """Write an app whose pylock.toml names a wheel that comes with it, and what it would run."""
    directory.mkdir()
    (directory / "wheels").mkdir()
    made = wheel(
        directory / "wheels",
        "letters",
        {
            "letters.py": "ALPHABET = 'αβγ'\n".encode(),
            "letters.c": b"int x;\n",
            "letters.pyi": b"ALPHABET: str\n",
            "template.py": b"import {{ name }}\n",
        },
    )
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    (directory / "pylock.toml").write_text(
        'lock-version = "1.0"\ncreated-by = "test"\n\n[[packages]]\nname = "letters"\n'
        'version = "1.0"\n\n[[packages.wheels]]\n'
        f'path = "wheels/{made.name}"\nhashes = {{ sha256 = "{digest}" }}\n'
    )
    (directory / "main.py").write_text("import letters\nprint(letters.ALPHABET)\n")
    (directory / ".env").write_text("TOKEN=secret\n")


@pytest.fixture(scope="module")
def built(commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> Run:
    directory = tmp_path_factory.mktemp("python")
    sources = directory / "sources"
    for name in ("pdm", "pipenv", "poetry", "uv"):
        shutil.copytree(APPS / f"python-{name}", sources / name)
    pylock(sources / "pylock")
    write(sources / "native", NATIVE)
    # The same sources elsewhere and newer, compiled again as the build's environment is another.
    again = directory / "elsewhere" / "again"
    shutil.copytree(sources / "native", again, copy_function=shutil.copy)
    apps: dict[str, dict[str, Any]] = {
        "pdm": {"stack_python_extras": ["color"]},
        "pipenv": {"rootfs_app_dir": str(sources / "pipenv")},
        "poetry": {
            "rootfs_command": ["python", "main.py"],
            "stack_python_build": [["python", "make.py"]],
            "stack_python_groups": ["words"],
        },
        "pylock": {"rootfs_command": ["python3", "main.py"]},
        "uv": {"stack_python_extras": ["loud"]},
        "native": {},
        "again": {"rootfs_app_dir": str(again), "rootfs_build_env": {"AGAIN": "1"}},
    }
    (directory / "rootfs").mkdir()
    for name, options in apps.items():
        options.setdefault("rootfs_app_dir", str(sources / name))
        options |= {
            "rootfs_image_name": f"test-{name}",
            "rootfs_format": ["dir"],
            "rootfs_output": str(directory / "rootfs" / name),
        }
    for name, files in FAILING.items():
        write(sources / name, files)
        apps[name] = {"rootfs_app_dir": str(sources / name)}
    path = directory / "inventory.json"
    path.write_text(json.dumps({"apps": {"hosts": apps}}))
    ended = commands.playbook("-i", str(path))
    assert ended.returncode != 0, ended.stdout
    return Run(directory, ended.stdout + ended.stderr)


def files(directory: Path) -> set[str]:
    found = (path for path in directory.rglob("*") if not path.is_dir())
    return {str(path.relative_to(directory)) for path in found}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        # An extra of the lock, and packages that lie in the project, with a data file.
        ("uv", "äöü ελληνικά नमस्ते 0.3 True\n"),
        # A group on request, none of development, and a build of the app's own without network.
        ("poetry", "xn--gre-6ka8l.example ['certifi'] grün\n"),
        # A package that only python -m runs.
        ("pdm", "xn--gre-6ka8l.example 0.4.6\n"),
        # A directory that Python runs.
        ("pipenv", "xn--gre-6ka8l.example None\n"),
        ("pylock", "αβγ\n"),
        # Where an extension was compiled is no path of a run.
        ("native", "native.c\n"),
    ],
)
def test_what_a_lock_file_says_is_installed_and_runs(
    built: Run, commands: Commands, name: str, said: str
) -> None:
    assert built.output
    assert commands.says(f"test-{name}") == said


def test_the_same_sources_give_the_same_image_from_another_place_and_time(built: Run) -> None:
    assert built.digest("native") == built.digest("again")


def test_nothing_that_builds_is_shipped(built: Run) -> None:
    root = built.rootfs("native")
    programs = {path.name for place in ("bin", "sbin") for path in root.rglob(f"{place}/*")}
    assert programs == {"env", "python", "python3", "python3.13", "tini"}
    unwanted = ("ensurepip", "idlelib", "config-3.13", "pydoc_data", "/test/", "_testcapi", "/pip")
    held = {name for name in files(root / "usr") if "/doc/" not in name}
    assert [name for name in sorted(held) if any(part in name for part in unwanted)] == []


def test_an_extension_has_no_debugging_information(built: Run) -> None:
    (path,) = (built.rootfs("native") / PACKAGES).glob("native*.so")
    found = subprocess.check_output(["readelf", "--sections", "--wide", path], text=True)
    assert ".dynsym" in found
    assert ".debug_info" not in found
    assert ".symtab" not in found


def test_a_record_lists_what_is_shipped(built: Run) -> None:
    root = built.rootfs("pylock")
    place = root / PACKAGES
    rows = list(csv.reader((place / "letters-1.0.dist-info" / "RECORD").open()))
    assert [row[0] for row in rows] == [
        "__pycache__/letters.cpython-313.pyc",
        "letters-1.0.dist-info/METADATA",
        "letters-1.0.dist-info/RECORD",
        "letters-1.0.dist-info/WHEEL",
        "letters.py",
        "letters.pyi",
        "template.py",
    ]
    for name, digest, size in rows:
        if digest:
            content = (place / name).read_bytes()
            text = urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            assert (digest, size) == (f"sha256={text}", str(len(content)))


def test_secrets_and_what_only_a_build_reads_stay_out(built: Run) -> None:
    assert files(built.rootfs("pylock") / "app") == {
        "__pycache__/main.cpython-313.pyc",
        "main.py",
        "wheels/letters-1.0-py3-none-any.whl",
    }


@pytest.mark.parametrize("name", ["native", "uv"])
def test_byte_code_of_the_standard_library_and_the_app_is_used(
    built: Run, commands: Commands, name: str
) -> None:
    module = {"native": "/app/main.py", "uv": "/usr/local/bin/other"}[name]
    text = (
        "import importlib.util, os, sys;"
        "missing = [m.__name__ for m in list(sys.modules.values())"
        " if getattr(m, '__cached__', None) and not os.path.exists(m.__cached__)];"
        f"print(missing, os.path.exists('{module}'))"
    )
    assert built.output
    said = commands.says(f"test-{name}", "python3", "-c", f"import json, ssl, asyncio;{text}")
    assert said == "[] True\n"


def test_a_project_and_its_dependencies_are_layers_of_their_own(built: Run) -> None:
    root = built.rootfs("uv") / PACKAGES
    assert {"letters", "shouting", "speller"} <= {path.name for path in root.iterdir()}
    assert not list(root.glob("*.dist-info/direct_url.json"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "py-absent",
            ["requirements.txt: the dependencies cannot be fetched", "no-such-package-of-anybody",
             "stack_python_index"],
        ),
        ("py-broken", ["app: it cannot be built", "broken.c:2:", "nothing"]),
        ("py-command", ["nothing says what the image runs", "rootfs_command"]),
        ("py-foreign", ["cannot find -lnowhere", "Hint: the C library nowhere is missing",
                        "rootfs_build_packages"]),
        ("py-hash", ["DO NOT MATCH THE HASHES", "not the one that was locked"]),
        ("py-header", ["fatal error: nowhere/odd.h", "Hint: nowhere/odd.h is missing",
                       "rootfs_build_packages"]),
        ("py-incomplete", ["packages are missing that others require", "tiny 1 requires idna",
                           "stack_python_lock"]),
        (
            "py-loads",
            ["something that must be shipped is nowhere", "libgone.so.7", "loads.cpython-313"],
        ),
        ("py-locks", ["has more than one lock file", "poetry.lock", "uv.lock",
                      "set stack_python_lock to poetry.lock or uv.lock"]),
        ("py-older", ["requires-python is >=3.99", "the distribution has Python 3.13"]),
        ("py-scripts", ["has several scripts", "set stack_python_main to one of one, two"]),
        ("py-stale", ["uv does not take uv.lock", "needs to be updated", "lock again"]),
        ("py-unsatisfied", ["the dependencies cannot be fetched", "idna<2",
                            "no versions fit each other"]),
        ("py-wrong", ["pyproject.toml: is not TOML", "line 1"]),
    ],
)  # fmt: skip
def test_a_failure_says_what_failed_where_and_what_to_do(
    built: Run, name: str, said: list[str]
) -> None:
    text = built.message(name)
    assert [part for part in said if part not in text] == [], text


def test_failures_leave_no_container_behind(built: Run, commands: Commands) -> None:
    listing = subprocess.check_output(
        ["docker", "ps", "--all", "--format", "{{.Names}}"],
        env=commands.environment({}),
        text=True,
    )
    assert built.output
    assert not [name for name in listing.split() if "-py-" in name]
