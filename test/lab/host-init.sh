#!/bin/sh
# Process 1 of a lab host. It sets up the host's own view of the file system, reports its process ID
# as seen from outside, and then just stays, because the host ends with it. Arguments: the host's
# folder, its name, and, for a host that runs in another Debian's root file system, that root, the
# checkout, and the folder with the native packages compiled for it. lab.ts calls it in fresh
# namespaces, so its mounts are never visible outside.
set -eu
. "${0%/*}/enter-root.sh"
folder=$1
name=$2
root=${3:-}

# /proc is still the outer one; the shell itself opens the file, so the first word is its own ID.
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
for path in etc/libvirt etc/vdsm-migrationd var/lib/libvirt var/log/libvirt var/cache/libvirt \
  var/lib/vdsm-migrationd run; do
  mkdir -p "$folder/$path" "/$path"
  mount --bind "$folder/$path" "/$path"
done
mount --bind "$folder/etc/hosts" /etc/hosts
# The certificates of a TLS lab. If the machine has no such folder it keeps an empty one.
if [ -d "$folder/etc/pki" ]; then
  mkdir -p /etc/pki
  mount --bind "$folder/etc/pki" /etc/pki
fi
mkdir -p /run/lock /run/vdsm-migrationd
echo "$name" >/proc/sys/kernel/hostname
ip link set lo up

echo "ready $outside_pid"
# In the foreground, so that the shell also reaps what QEMU and libvirtd leave to process 1.
sleep infinity
