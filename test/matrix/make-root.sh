#!/bin/sh
# Makes the root of another Debian that can be a lab host: debootstrap, then what the host, the
# binding and the daemon need, installed in it. Called by roots.mjs in a mount and process namespace
# of its own, so that neither a mount nor a process can outlive it.
# Arguments: suite, folder (must not exist yet), mirror, keyring.
set -eu
suite=$1
folder=$2
mirror=$3
keyring=$4

mount --make-rprivate /
# debootstrap knows suites by a script each; one that is newer than debootstrap itself is like sid.
script=/usr/share/debootstrap/scripts/$suite
[ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
debootstrap --variant=minbase --keyring="$keyring" "$suite" "$folder" "$mirror" "$script"

# Nothing that is installed may start a service: there is no init in here.
printf '#!/bin/sh\nexit 101\n' >"$folder/usr/sbin/policy-rc.d"
chmod 755 "$folder/usr/sbin/policy-rc.d"
# The Release file of a suite that is still moving can be past its date on a mirror.
cat >"$folder/etc/apt/apt.conf.d/90root" <<'CONF'
Acquire::Check-Valid-Until "false";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
CONF
# Mounted over by the lab's own.
touch "$folder/etc/hosts"
mkdir -p "$folder/var/lib/vdsm-migrationd"
mount -t proc proc "$folder/proc"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
chroot "$folder" apt-get update -q
# Not by debootstrap's --include: systemd, which libvirt-daemon-system wants, is to be there before.
chroot "$folder" apt-get install -q -y \
  libvirt-daemon-system libvirt-daemon-driver-qemu libvirt-clients qemu-system-x86 iproute2 procps \
  libvirt-dev pkg-config g++ make python3 nodejs libnode-dev
chroot "$folder" apt-get clean
