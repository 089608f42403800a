#!/bin/sh
# Process 1 of a lab host. It makes the host's own view of the file system, reports its process id
# as the machine outside sees it, and then only stays, since with it the whole host ends.
# Arguments: the host's folder, its name, and, for a host that runs in the root of another Debian, that
# root, the checkout, and the folder with the native packages compiled for it. Called by lab.ts in fresh
# namespaces, so nothing that it mounts is ever seen outside of them.
set -eu
. "${0%/*}/enter-root.sh"
folder=$1
name=$2
root=${3:-}

# /proc is still the outside's here; the shell itself opens the file, so the first word is its own id.
read -r outside_pid rest </proc/self/stat

mount --make-rprivate /
if [ -n "$root" ]; then
  furnish_root "$root" "$4"
  for package in "$5"/*; do
    mount --bind "$package" "$root$4/src/${package##*/}/build"
  done
  enter_root "$root"
fi
mount -t proc proc /proc
for path in etc/libvirt var/lib/libvirt var/log/libvirt var/cache/libvirt var/lib/vdsm-migrationd run; do
  mkdir -p "$folder/$path" "/$path"
  mount --bind "$folder/$path" "/$path"
done
mount --bind "$folder/etc/hosts" /etc/hosts
# The certificates of a TLS lab. The machine may have no such folder: it then keeps an empty one.
if [ -d "$folder/etc/pki" ]; then
  mkdir -p /etc/pki
  mount --bind "$folder/etc/pki" /etc/pki
fi
mkdir -p /run/lock /run/vdsm-migrationd
echo "$name" >/proc/sys/kernel/hostname
ip link set lo up

echo "ready $outside_pid"
# In the foreground: the shell then also reaps what QEMU and libvirtd leave to process 1.
sleep infinity
