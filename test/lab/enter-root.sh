# Sourced by scripts that enter another Debian's root file system (host-init.sh,
# matrix/build-native.sh), each in its own mount namespace.

# Makes the root usable: mounts the machine's devices, the lab's folders below /tmp, and the
# checkout at the same path as outside. Arguments: root, checkout.
furnish_root() {
  mount --bind "$1" "$1"
  mount -t proc proc "$1/proc"
  mount --rbind /dev "$1/dev"
  mount --rbind /sys "$1/sys"
  mount --bind /tmp "$1/tmp"
  mkdir -p "$1$2"
  mount --bind "$2" "$1$2"
}

# Makes this the only root, also for whatever enters the namespace later. Argument: root.
enter_root() {
  cd "$1"
  pivot_root . mnt
  cd /
  umount -l /mnt
}
