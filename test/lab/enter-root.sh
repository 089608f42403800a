# Sourced by what goes into the root of another Debian (host-init.sh, matrix/build-native.sh), in a
# mount namespace of its own.

# Makes the root usable: the machine's devices, the lab's folders below /tmp, and the checkout at the
# path that it has outside. Arguments: root, checkout.
furnish_root() {
  mount --bind "$1" "$1"
  mount -t proc proc "$1/proc"
  mount --rbind /dev "$1/dev"
  mount --rbind /sys "$1/sys"
  mount --bind /tmp "$1/tmp"
  mkdir -p "$1$2"
  mount --bind "$2" "$1$2"
}

# Makes the root the only one there is, for whatever enters this namespace later too. Argument: root.
enter_root() {
  cd "$1"
  pivot_root . mnt
  cd /
  umount -l /mnt
}
