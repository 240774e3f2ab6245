#!/bin/bash
# Tries a command in a fresh clone on a bare Debian 12: tests/bare/run.sh TREE [COMMAND…]
#
# TREE is made by mmdebstrap if it is not there: Debian, Python and git, nothing else, and no init.
# COMMAND (by default .ci/run) runs there as root, in a clone of what is committed here, with its own
# processes and mounts; all of them are gone when it ends. What it leaves in TREE stays, so that a
# second run meets a machine that was used, and whose engine was killed.
#
# The network is this machine's. Where an engine runs on it, enter a network of your own before
# (`ip netns exec NAME tests/bare/run.sh …`): two engines do not share one.
set -eu
checkout=$(cd "$(dirname "$0")/../.." && pwd)
tree=$(realpath -m "$1")
shift
[ $# -gt 0 ] || set -- .ci/run

if [ ! -e "$tree/etc/debian_version" ]; then
    mmdebstrap --variant=minbase --include=python3,git,ca-certificates bookworm "$tree"
    # Certificates of a company, names of a network: as this machine has them.
    cp /etc/ssl/certs/ca-certificates.crt "$tree/etc/ssl/certs/ca-certificates.crt"
fi
cp --dereference /etc/resolv.conf /etc/hosts "$tree/etc/"

pass=()
for name in http_proxy https_proxy no_proxy PIP_CERT PIP_INDEX_URL SSL_CERT_FILE; do
    [ -z "${!name:-}" ] || pass+=("$name=${!name}")
done

export checkout tree
exec unshare --mount --pid --fork --kill-child bash -euc '
    mount --make-rprivate /
    mount --rbind "$tree" "$tree"
    mount -t proc proc "$tree/proc"
    mount -t sysfs sysfs "$tree/sys"
    mount -t tmpfs -o mode=755 dev "$tree/dev"
    for node in null zero full random urandom tty; do
        touch "$tree/dev/$node"
        mount --bind "/dev/$node" "$tree/dev/$node"
    done
    ln -s /proc/self/fd "$tree/dev/fd"
    mkdir -p "$tree/dev/pts" "$tree/dev/shm" "$tree/run/checkout"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$tree/dev/pts"
    ln -s pts/ptmx "$tree/dev/ptmx"
    mount -t tmpfs shm "$tree/dev/shm"
    mount --bind "$checkout" "$tree/run/checkout"
    clone="
        git config --global --replace-all safe.directory \"*\"
        if [ ! -e rootfs-ansible ]; then git clone --quiet /run/checkout rootfs-ansible; fi
        cd rootfs-ansible
        git pull --quiet --ff-only
    "
    exec chroot "$tree" env -i HOME=/root TERM="${TERM:-dumb}" LANG=C.UTF-8 \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@" \
        bash -euc "cd; $clone; exec \"\$@\"" bash '"$(printf '%q ' "$@")"'
' bash "${pass[@]}"
