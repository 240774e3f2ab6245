# Configures the root file system $1; mmdebstrap runs it last, and outside of it.
set -eu
here=$(dirname "$0")
install -m 0644 "$here/apt.conf" "$1/etc/apt/apt.conf.d/99rootfs"
install -m 0644 "$here/dpkg.cfg" "$1/etc/dpkg/dpkg.cfg.d/99rootfs"
# What apt computed from the lists: as big as they are, and made anew in no time.
rm -f "$1/var/cache/apt/pkgcache.bin" "$1/var/cache/apt/srcpkgcache.bin"
