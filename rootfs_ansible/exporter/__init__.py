"""What runs where the files are: outputs, their closure, layers; the standard library alone."""

from rootfs_ansible.exporter.archive import zipapp
from rootfs_ansible.exporter.export import FRAGMENT, export

__all__ = ["FRAGMENT", "export", "zipapp"]
