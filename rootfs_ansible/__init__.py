"""Clean, layered root filesystems for production, built by Ansible roles."""

__version__ = "0.1.0"
