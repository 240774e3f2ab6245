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

prepare() {
    tree=$(realpath -m "$1")
    shift
    [ $# -gt 0 ] || set -- .ci/run
    if [ ! -e "$tree/etc/debian_version" ]; then
        mmdebstrap --variant=minbase --include=python3,git,ca-certificates bookworm "$tree"
        # Certificates of a company, names of a network: as this machine has them.
        cp /etc/ssl/certs/ca-certificates.crt "$tree/etc/ssl/certs/ca-certificates.crt"
    fi
    cp --dereference /etc/resolv.conf /etc/hosts "$tree/etc/"
    exec unshare --mount --pid --fork --kill-child "$0" --enter "$tree" "$@"
}

enter() {
    tree=$1
    shift
    mount --make-rprivate /
    mount --rbind "$tree" "$tree"
    mount -t proc proc "$tree/proc"
    mount -t sysfs sysfs "$tree/sys"
    mount -t tmpfs -o mode=755 dev "$tree/dev"
    for node in null zero full random urandom tty; do
        touch "$tree/dev/$node"
        mount --bind "/dev/$node" "$tree/dev/$node"
    done
    mkdir -p "$tree/dev/pts" "$tree/dev/shm" "$tree/run/checkout"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$tree/dev/pts"
    mount -t tmpfs shm "$tree/dev/shm"
    ln -s pts/ptmx "$tree/dev/ptmx"
    ln -s /proc/self/fd "$tree/dev/fd"
    mount --bind "$(dirname "$0")/../.." "$tree/run/checkout"
    kept=()
    for name in http_proxy https_proxy no_proxy PIP_CERT PIP_INDEX_URL SSL_CERT_FILE; do
        [ -z "${!name:-}" ] || kept+=("$name=${!name}")
    done
    exec chroot "$tree" env --ignore-environment "${kept[@]}" \
        HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        /run/checkout/tests/bare/run.sh --clone "$@"
}

clone() {
    cd
    git config --global --replace-all safe.directory "*"
    [ -e rootfs-ansible ] || git clone --quiet /run/checkout rootfs-ansible
    cd rootfs-ansible
    git pull --quiet --ff-only
    exec "$@"
}

case ${1:-} in
    --enter) shift && enter "$@" ;;
    --clone) shift && clone "$@" ;;
    "") echo "usage: $0 TREE [COMMAND…]" >&2 && exit 2 ;;
    *) prepare "$@" ;;
esac
