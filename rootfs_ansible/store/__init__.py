"""The store: an OCI image layout on disk that is cache and output in one, and its gate."""

from rootfs_ansible.store.layout import Descriptor, Store, read_fragment

__all__ = ["Descriptor", "Store", "read_fragment"]
