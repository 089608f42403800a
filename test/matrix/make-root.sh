#!/bin/sh
# Makes the root file system of another Debian that can be a lab host: debootstrap, then the
# packages that the host, the binding and the daemon need. Called by roots.mjs in a mount and
# process namespace of its own, so that no mount or process can outlive it. Arguments: suite, folder
# (must not exist yet), mirror, keyring.
set -eu
suite=$1
folder=$2
mirror=$3
keyring=$4

mount --make-rprivate /
# debootstrap has one script per suite; a suite newer than debootstrap itself is treated like sid.
script=/usr/share/debootstrap/scripts/$suite
[ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
debootstrap --variant=minbase --keyring="$keyring" "$suite" "$folder" "$mirror" "$script"

# No installed package may start a service: there is no init in here.
printf '#!/bin/sh\nexit 101\n' >"$folder/usr/sbin/policy-rc.d"
chmod 755 "$folder/usr/sbin/policy-rc.d"
# On a mirror, the Release file of a suite still in development can be expired.
cat >"$folder/etc/apt/apt.conf.d/90root" <<'CONF'
Acquire::Check-Valid-Until "false";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
CONF
# The lab mounts its own file over it.
touch "$folder/etc/hosts"
mkdir -p "$folder/var/lib/vdsm-migrationd"
mount -t proc proc "$folder/proc"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
chroot "$folder" apt-get update -q
# Not with debootstrap's --include: libvirt-daemon-system needs systemd to be installed first.
chroot "$folder" apt-get install -q -y \
  libvirt-daemon-system libvirt-daemon-driver-qemu libvirt-clients qemu-system-x86 iproute2 procps \
  libvirt-dev pkg-config g++ make python3 nodejs libnode-dev
chroot "$folder" apt-get clean
