"""What goes into a container, and whose it is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.rootfs.builder.plugins.action.container import ActionModule

from rootfs_ansible.drive import container, keeper
from rootfs_ansible.drive.keeper import Process, labels_of
from rootfs_ansible.errors import InputError

# Not text in any encoding that checks: a key store is no text either.
SECRET = b"\x00\xff a token\n"
HEADER = b"$ANSIBLE_VAULT;"


@pytest.fixture
def vaulted(tmp_path: Path) -> Path:
    """A file that is encrypted with the password of ``action``."""
    path = tmp_path / "npmrc"
    path.write_bytes(VaultLib([("default", VaultSecret(b"password"))]).encrypt(SECRET))
    assert path.read_bytes().startswith(HEADER)
    return path


def action(password: bytes) -> ActionModule:
    loader = DataLoader()
    loader.set_vault_secrets([("default", VaultSecret(password))])
    made = ActionModule.__new__(ActionModule)
    made._loader = loader
    return made


def contents(password: bytes, secrets: Mapping[str, Path]) -> dict[str, tuple[bytes, int]]:
    read = action(password)._content
    request = container.Request("image", "shop", "build", secrets=secrets, read=read)
    return container._contents(request)


def test_a_vaulted_secret_is_seen_in_the_clear(vaulted: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(SECRET)
    found = contents(b"password", {"npmrc": vaulted, "other": tmp_path / "plain"})
    assert found == {
        "/run/rootfs/secrets/npmrc": (SECRET, 0o400),
        "/run/rootfs/secrets/other": (SECRET, 0o400),
    }


def test_every_secret_that_cannot_be_read_is_told(vaulted: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        contents(b"another", {"npmrc": vaulted, "none": tmp_path / "none"})
    wrong, missing = sorted(refused.value.details, reverse=True)
    assert wrong.startswith(f"{vaulted}: cannot be decrypted: ")
    assert missing == f"{tmp_path}/none: No such file or directory"
    assert "rootfs_secrets" in refused.value.hint


def test_what_a_copy_takes_belongs_to_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}
    started: list[Process] = []

    def copy(*_: str, **options: Any) -> bool:
        asked.update(options)
        return True

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(keeper, "_start_keeper", lambda _host, owner, _lock: started.append(owner))
    monkeypatch.setattr(keeper, "sweep", lambda _: 0)
    engine: Any = SimpleNamespace(
        image=lambda _: SimpleNamespace(id="1"), copy=copy, docker_host=""
    )
    owner = Process.of(os.getpid())
    assert container.copy(engine, owner, "node", "/usr/bin/node", "build", "/usr/bin/node")
    assert asked["labels"] == labels_of(owner)
    assert started == [owner], "somebody removes it, however the run ends"
