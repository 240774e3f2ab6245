"""meta/stack.yml: what it may hold, and every mistake in it with its line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from rootfs_ansible.errors import InputError
from rootfs_ansible.plan.stack_file import SCHEMA, read

OWN = sorted((Path(__file__).parents[3] / "roles").glob("*/meta/stack.yml"))

EVERYTHING = """
name: zig
marks: [build.zig, "*.zig"]
ignore: ["**/zig-cache"]
environment: {LANG: C.UTF-8, WORKERS: 4}
outputs:
  runtime:
    - {layer: runtime, package: tzdata, excluding: [/usr/share/zoneinfo/right], optional: true}
    - {layer: runtime, accounts: [root, app]}
    - {layer: runtime, directory: /tmp, mode: "1777"}
    - {layer: runtime, directory: /home/app, uid: 65532, gid: "{{ stack_zig_group }}"}
  system:
    - {layer: system, path: /etc/nginx, when: rootfs_project.site}
    - {layer: system, package: nginx, dependencies: true}
  compile:
    - {layer: dependencies, path: "{{ rootfs_compiled.libraries }}", foreign: omit}
    - layer: app
      path: /usr/lib/*/libm.so.6
      excluding: "{{ rootfs_compiled.excluding }}"
prune:
  - {name: objects, reason: Left by the compiler, layer: app, beside: build.zig, finished: "*.so",
     drop: ["*.o"], keep: [main.o]}
companions:
  - {name: magic, reason: It reads this, when: libmagic.so.1, needs: [/etc/magic], optional: true}
  - {name: drivers, reason: It reads these, when: [/etc/drivers/*.conf, /usr/lib/drivers.conf],
     also: [libdrive.so.1], names: "^open (.+)$", needs: ["/usr/lib/*/drivers/{}.so"]}
places: [stack_zig_mirror]
inventory_only: [stack_zig_roles]
"""


def mistakes(directory: Path, text: str) -> list[str]:
    """Return the mistakes of a stack file, without its path."""
    path = directory / "stack.yml"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        read(path)
    assert all(detail.startswith(f"{path}:") for detail in raised.value.details)
    return [detail.removeprefix(f"{path}:") for detail in raised.value.details]


def test_a_stack_file_may_hold_this(tmp_path: Path) -> None:
    path = tmp_path / "stack.yml"
    path.write_text(EVERYTHING)
    found = read(path)
    assert found.data == yaml.safe_load(EVERYTHING)
    assert found.mistake(("outputs", "compile", 1, "excluding"), "is odd") == (
        f"{path}:19: outputs.compile[1].excluding: is odd"
    )


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.parts[-3])
def test_our_own_are_as_the_schema_says(path: Path) -> None:
    assert read(path).data["name"] in path.parts[-3]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1: expected a mapping, got nothing"),
        ("name: [zig\n", "2: this is no YAML: did not find expected ',' or ']'"),
        ("name: zig\nname: c\n", "2: name: is there twice, first in line 1"),
        (
            "name: Zig\n",
            "1: name: expected a name of small letters, digits and single . _ -, got 'Zig'",
        ),
        ("name: zig\nmark: []\n", "2: mark: there is no such key; did you mean marks?"),
        (
            "name: zig\nmarks: [../build.zig]\n",
            "2: marks[0]: expected a file name or a glob, relative to the app's directory,"
            " got '../build.zig'",
        ),
        ("name: zig\nignore:\n", "2: ignore: expected a list of strings, got nothing"),
        (
            "name: zig\nsmoke: {service: {htp: {}}}\n",
            "2: smoke.service.htp: there is no such key; did you mean http?",
        ),
        (
            "name: zig\nsmoke: {service: {http: {path: up}}}\n",
            "2: smoke.service.http.path: expected a path, got 'up'",
        ),
        (
            "name: zig\nsmoke: {service: {http: {}, tcp: {}}}\n",
            "2: smoke.service.http: does not go with tcp",
        ),
        (
            "name: zig\nenvironment:\n  DEBUG: true\n",
            "3: environment.DEBUG: expected a string without templates, in quotes where YAML would"
            " take it for something else, got true",
        ),
        (
            "name: zig\nenvironment: {A-B: x}\n",
            "2: environment.A-B: expected a name of letters, digits and _",
        ),
        (
            "name: zig\nplaces: [stack_zig_a, stack_zig_a]\n",
            "2: places: expected a list of options, each once, got a list",
        ),
    ],
)
def test_a_mistake_has_its_line(tmp_path: Path, text: str, expected: str) -> None:
    assert mistakes(tmp_path, text) == [expected]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (
            "{layer: ap, path: /a}",
            ".layer: expected one of dependencies, app, got 'ap'; did you mean app?",
        ),
        ("{path: /a}", ".layer: is missing; expected the layer that it goes to"),
        ("{layer: app, pth: /a}", ".pth: there is no such key; did you mean path?"),
        ("{layer: app}", ": expected exactly one of path, package, accounts, directory, got none"),
        (
            "{layer: app, path: /a, package: aa, directory: /b}",
            ": expected exactly one of path, package, accounts, directory,"
            " got path, package and directory",
        ),
        (
            "{layer: app, path: a}",
            ".path: expected an absolute path or a glob, or a template that becomes one or a list"
            " of them, got 'a'",
        ),
        ("{layer: app, path: /a, mode: '0644'}", ".mode: goes with directory alone"),
        (
            "{layer: app, directory: /a, mode: 0755}",
            '.mode: expected a mode in octal and in quotes ("0750"), or a template, got 493',
        ),
        (
            "{layer: app, directory: /a, uid: -1}",
            ".uid: expected a number from 0 to 4294967294, or a template, got -1",
        ),
        (
            "{layer: app, directory: /a, optional: true}",
            ".optional: does not go with directory, which is always made",
        ),
        (
            "{layer: app, accounts: [a], excluding: [b]}",
            ".excluding: goes with path and package alone",
        ),
        ("{layer: app, path: /a, dependencies: true}", ".dependencies: goes with package alone"),
        ("{layer: app, path: /a, excluding: [1]}", ".excluding[0]: expected a glob, got 1"),
        (
            "{layer: app, path: /a, foreign: drop}",
            ".foreign: expected one of keep, omit, got 'drop'",
        ),
        (
            "{layer: app, path: /a, when: true, foreign: keep, optional: 1}",
            ".optional: expected true or false, got 1",
        ),
    ],
)
def test_a_mistake_of_an_output_has_its_line(tmp_path: Path, output: str, expected: str) -> None:
    text = f"name: zig\noutputs:\n  compile:\n    - {output}\n"
    assert mistakes(tmp_path, text) == [f"4: outputs.compile[0]{expected}"]


def test_a_stage_has_its_own_layers(tmp_path: Path) -> None:
    text = "name: zig\noutputs:\n  runtime: [{layer: app, path: /a}]\n  compil: []\n"
    assert mistakes(tmp_path, text) == [
        "3: outputs.runtime[0].layer: expected runtime, got 'app'",
        "4: outputs.compil: there is no such key; did you mean compile?",
    ]


def test_rules_are_checked_as_well(tmp_path: Path) -> None:
    text = """\
name: zig
prune:
  - {name: objects, reason: Left, beside: "**/build.zig", drop: "*.o"}
companions:
  - {name: magic, when: lib/magic.so, need: [/etc/magic], reason: It reads this}
  - {name: none, when: [], also: [x/y], needs: [/etc/magic], reason: It reads this}
"""
    assert mistakes(tmp_path, text) == [
        "3: prune[0].beside: expected what lies in the directory itself (binding.gyp,"
        " build/Release/*.node), without **, got '**/build.zig'",
        "3: prune[0].drop: expected a list of strings, got '*.o'",
        "5: companions[0].need: there is no such key; did you mean needs?",
        "5: companions[0].when: expected the name of a library (libmagic.so.1) or an absolute path,"
        " or a glob of them, got 'lib/magic.so'",
        "6: companions[1].also[0]: expected the name of a library (libmagic.so.1) or an absolute"
        " path, or a glob of them, got 'x/y'",
        "6: companions[1].when: expected the name of a library (libmagic.so.1) or an absolute path,"
        " or a glob of them, got an empty list",
    ]


def test_an_alias_is_what_it_stands_for(tmp_path: Path) -> None:
    text = """\
name: zig
outputs:
  runtime:
    - &one {layer: runtime, path: /a}
    - {<<: *one, path: /b}
    - &around {layer: runtime, path: *around}
"""
    assert mistakes(tmp_path, text) == [
        "6: outputs.runtime[2].path: expected an absolute path or a glob, or a template that"
        " becomes one or a list of them, got a mapping",
    ]


def test_a_file_that_is_no_text_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "stack.yml").write_bytes(b"name: \xff")
    with pytest.raises(InputError) as raised:
        read(tmp_path / "stack.yml")
    (detail,) = raised.value.details
    assert detail.startswith(f"{tmp_path}/stack.yml: cannot be read: ")


def test_the_schema_is_one_and_has_words_for_all_that_it_refuses() -> None:
    schema = json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    own_words = {"enum", "required", "additionalProperties", "oneOf", "anyOf", "not"}
    checks = {"type", "pattern", "minLength", "minItems", "minimum", "uniqueItems", "propertyNames"}
    silent = [
        place
        for place, found in schemas(schema)
        if checks & set(found) and not own_words & set(place) and "title" not in found
    ]
    assert silent == []


def schemas(schema: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(schema, dict):
        if place[-1:] not in (("properties",), ("$defs",), ("dependentSchemas",)):
            yield place, schema
        for key, value in schema.items():
            yield from schemas(value, (*place, key))
    elif isinstance(schema, list):
        for value in schema:
            yield from schemas(value, place)
