"""Each input of an app decides its own stages, and no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rootfs_ansible.errors import InputError
from rootfs_ansible.plan.app import Inputs
from rootfs_ansible.plan.stack import find

STAGES = ("root_image", "build_image", "toolchain", "runtime", "compile", "system", "image")

OPTIONS: dict[str, Any] = {
    "root_image_suite": "trixie",
    "rootfs_app_dir": "/srv/shop",
    "rootfs_build_packages": [],
    "rootfs_command": [],
    "rootfs_companions": [],
    "rootfs_epoch": 0,
    "rootfs_outputs": [],
    "rootfs_packages": [],
    "rootfs_prefix": "/app",
    "rootfs_roles": [],
    "rootfs_secrets": {"npm": "/home/one/.npmrc"},
    "rootfs_store": "/home/one/store",
    "stack_zig_flags": "-O2",
    "stack_zig_mirror": "",
    "stack_zig_version": "",
}


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    role = tmp_path / "roles" / "stack_zig"
    write(
        role / "meta" / "stack.yml",
        "name: zig\nmarks: [build.zig]\nplaces: [stack_zig_mirror]\n",
    )
    write(
        role / "meta" / "argument_specs.yml",
        "argument_specs: {compile: {options: {stack_zig_mirror: {type: str}}}}",
    )
    for entry in ("inspect", "build_image", "toolchain", "runtime", "compile"):
        write(role / "tasks" / f"{entry}.yml", entry)
    write(role / "files" / "tool.conf", "shared by all entry points")
    write(tmp_path / "roles" / "root_image" / "tasks" / "main.yml", "mmdebstrap")
    write(tmp_path / "roles" / "root_image" / "vars" / "main.yml", "root_image_command: []")
    write(tmp_path / "roles" / "root_image" / "files" / "apt.conf", "apt")
    write(tmp_path / "roles" / "root_image" / "meta" / "argument_specs.yml", "{}")
    write(tmp_path / "roles" / "root_image" / "README.md", "about")
    write(tmp_path / "roles" / "rootfs" / "tasks" / "packages.yml", "apt")
    write(tmp_path / "plugins" / "modules" / "zig.py", "module")
    write(tmp_path / "plugins" / "module_utils" / "zig_release.py", "module")
    (stack,) = find([(tmp_path / "roles", "")])
    return Inputs(
        stack=stack,
        options=OPTIONS,
        specs={"compile": ("stack_zig_flags",), "toolchain": ("stack_zig_version",)},
        searches=((tmp_path / "roles", ""),),
        root_role=tmp_path / "roles" / "root_image",
        collection=tmp_path,
        code="code",
        architecture="amd64",
    )


def keys(inputs: Inputs, sources: str = "sources", needs: tuple[str, ...] = ()) -> dict[str, str]:
    return {
        "root_image": inputs.root_image(),
        "build_image": inputs.build_image(),
        "toolchain": inputs.toolchain("^1"),
        "runtime": inputs.runtime("^1"),
        "compile": inputs.compile("^1", sources),
        "system": inputs.system("^1", needs),
        "image": inputs.image(sources),
    }


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {stage for stage in STAGES if before[stage] != after[stage]}


@pytest.mark.parametrize(
    ("option", "value", "stages"),
    [
        ("root_image_suite", "bookworm", set(STAGES)),
        ("stack_zig_version", "0.13", {"toolchain", "runtime", "compile", "system", "image"}),
        ("stack_zig_flags", "-O3", {"compile", "image"}),
        ("rootfs_build_packages", ["libcairo2-dev"], {"compile", "image"}),
        ("rootfs_packages", ["git"], {"system", "image"}),
        # By what they hold: a digest, which the system stage has as well.
        ("rootfs_roles", ["site"], {"image"}),
        ("rootfs_command", ["/app/shop"], {"compile", "image"}),
        ("rootfs_init", False, {"image"}),
        ("rootfs_epoch", 1, {"runtime", "compile", "system", "image"}),
        ("rootfs_secrets", {"npm": "/home/two/.npmrc"}, set()),
        ("rootfs_secrets", {"pip": "/home/one/.npmrc"}, {"compile", "image"}),
        ("rootfs_store", "/home/two/store", set()),
        # They decide whether it is delivered, not what it is.
        ("rootfs_policy", {"size": "1 MB"}, set()),
        ("rootfs_policy_allow", {"shell": ["/bin/sh"]}, set()),
        ("stack_zig_mirror", "mirror", set()),
        ("rootfs_app_dir", "/home/two/shop", set()),
    ],
)
def test_an_option_decides_its_stages(
    inputs: Inputs, option: str, value: object, stages: set[str]
) -> None:
    other = replace(inputs, options={**OPTIONS, option: value})
    assert changed(keys(inputs), keys(other)) == stages


def test_a_part_decides_by_its_own_key_and_its_place_in_the_app(inputs: Inputs) -> None:
    """Its options are in the keys of the part, which knows what of them only names a place."""

    def with_part(**more: object) -> dict[str, str]:
        part = {"directory": "web", "outputs": ["dist"], "into": "static", **more}
        return keys(replace(inputs, options={**OPTIONS, "rootfs_parts": [part]}))

    mirrored = with_part(options={"stack_node_registry": "https://npm.example.org"})
    assert changed(with_part(), mirrored) == set()
    assert changed(with_part(), with_part(into="public")) == {"compile", "image"}


def test_sources_decide_the_compile_and_the_image(inputs: Inputs) -> None:
    assert changed(keys(inputs), keys(inputs, sources="others")) == {"compile", "image"}


def test_needs_decide_the_system_layer(inputs: Inputs) -> None:
    assert changed(keys(inputs), keys(inputs, needs=("libcairo2",))) == {"system"}


def test_roles_decide_the_system_layer_and_the_image(inputs: Inputs) -> None:
    assert inputs.system("", (), "digest") != inputs.system("", (), "another")
    assert inputs.image("sources", "digest") != inputs.image("sources", "another")


def test_where_nothing_is_compiled_the_system_stage_knows_the_app(inputs: Inputs) -> None:
    other = replace(inputs, options={**OPTIONS, "rootfs_prefix": "/srv"})
    labelled = replace(inputs, options={**OPTIONS, "rootfs_labels": {"commit": "one"}})
    (inputs.stack.directory / "tasks" / "compile.yml").unlink()
    assert changed(keys(inputs), keys(other)) == {"runtime", "compile", "system", "image"}
    assert inputs.system("", ()) == labelled.system("", ())
    flags = replace(inputs, options={**OPTIONS, "stack_zig_flags": "-O3"})
    assert inputs.system("", ()) != flags.system("", ())


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("roles/root_image/tasks/main.yml", set(STAGES)),
        ("roles/root_image/vars/main.yml", set(STAGES)),
        ("roles/root_image/files/apt.conf", set(STAGES)),
        ("roles/root_image/meta/argument_specs.yml", set()),
        ("roles/root_image/README.md", set()),
        (
            "roles/stack_zig/tasks/build_image.yml",
            {"build_image", "toolchain", "runtime", "compile", "system", "image"},
        ),
        (
            "roles/stack_zig/tasks/toolchain.yml",
            {"toolchain", "runtime", "compile", "system", "image"},
        ),
        ("roles/stack_zig/tasks/runtime.yml", {"runtime", "compile", "system", "image"}),
        ("roles/stack_zig/tasks/compile.yml", {"compile", "image"}),
        ("roles/stack_zig/tasks/inspect.yml", {"image"}),
        (
            "roles/stack_zig/files/tool.conf",
            {"build_image", "toolchain", "runtime", "compile", "system", "image"},
        ),
        ("roles/rootfs/tasks/packages.yml", {"compile", "system", "image"}),
        ("plugins/modules/zig.py", {"toolchain", "runtime", "compile", "system", "image"}),
        (
            "plugins/module_utils/zig_release.py",
            {"toolchain", "runtime", "compile", "system", "image"},
        ),
    ],
)
def test_a_file_of_a_role_decides_its_stages(inputs: Inputs, file: str, stages: set[str]) -> None:
    before = keys(inputs)
    path = inputs.collection / file
    path.write_text(path.read_text() + " changed")
    assert changed(before, keys(inputs)) == stages


def test_our_code_decides_what_is_harvested_and_nothing_that_is_shared(inputs: Inputs) -> None:
    other = replace(inputs, code="other")
    assert changed(keys(inputs), keys(other)) == {"runtime", "compile", "system", "image"}


def test_an_image_of_another_architecture_is_another_image(inputs: Inputs) -> None:
    other = replace(inputs, architecture="arm64")
    assert changed(keys(inputs), keys(other)) == set(STAGES)


def test_a_keyring_decides_by_what_it_holds(inputs: Inputs, tmp_path: Path) -> None:
    def with_keyring(path: Path) -> dict[str, str]:
        return keys(replace(inputs, options={**OPTIONS, "root_image_keyrings": [str(path)]}))

    one, two = tmp_path / "one.gpg", tmp_path / "keyrings" / "two.gpg"
    write(one, "key")
    write(two, "key")
    before = with_keyring(one)
    assert with_keyring(two) == before
    assert changed(before, with_keyring(two.parent)) == set(STAGES)
    write(two, "another")
    assert changed(before, with_keyring(two)) == set(STAGES)


def test_a_keyring_is_read_where_the_root_image_is_made(inputs: Inputs, tmp_path: Path) -> None:
    options = {**OPTIONS, "root_image_keyrings": [str(tmp_path / "gone.gpg")]}
    with pytest.raises(InputError, match="cannot be read") as raised:
        replace(inputs, options=options).root_image()
    assert "root_image_keyrings" in raised.value.hint
    assert replace(inputs, options={**options, "root_image_name": "debian"}).root_image()


def test_where_the_roles_lie_decides_nothing(
    inputs: Inputs, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = keys(inputs)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "clone"
    tmp_path.rename(elsewhere)
    (stack,) = find([(elsewhere / "roles", "")])
    moved = replace(
        inputs,
        stack=stack,
        searches=((elsewhere / "roles", ""),),
        root_role=elsewhere / "roles" / "root_image",
        collection=elsewhere,
    )
    assert keys(moved) == before


def test_a_project_that_wants_no_toolchain_uses_the_build_image(inputs: Inputs) -> None:
    assert inputs.toolchain("") == inputs.build_image()
    assert inputs.runtime("") != inputs.runtime("^1")
