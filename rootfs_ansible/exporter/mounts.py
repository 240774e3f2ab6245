"""Runtime mounts: what the kernel and the engine mount, never part of an image."""

from __future__ import annotations

from rootfs_ansible.model.path import ImagePath

# A link that leads there (/dev/stdout, /proc/self/fd) means the machine that runs the image. In a
# container that is exported, what lies there is the engine's, the kernel's or a secret of ours.
RUNTIME_MOUNTS = tuple(map(ImagePath, ("/dev", "/proc", "/run", "/sys")))


_BELOW = tuple(f"{top}/" for top in RUNTIME_MOUNTS)


def is_runtime_mount(path: ImagePath) -> bool:
    """Say whether ``path`` is in what the kernel or the engine mounts when an image runs."""
    return is_mounted(path) or path in RUNTIME_MOUNTS


def is_mounted(path: ImagePath) -> bool:
    """Say whether ``path`` is what such a mount holds, not the mount itself."""
    return path.text.startswith(_BELOW)
