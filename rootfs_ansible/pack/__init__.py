"""From admitted fragments to an image: linked, packed, and in the form its reader wants."""

from rootfs_ansible.pack.archive import docker_archive, shared_layers, write_oci_archive
from rootfs_ansible.pack.image import check_name, find_image, pack
from rootfs_ansible.pack.link import link
from rootfs_ansible.pack.rootfs import write_directory, write_tar
from rootfs_ansible.pack.summary import run_command, size_text, summary

__all__ = [
    "check_name",
    "docker_archive",
    "find_image",
    "link",
    "pack",
    "run_command",
    "shared_layers",
    "size_text",
    "summary",
    "write_directory",
    "write_oci_archive",
    "write_tar",
]
