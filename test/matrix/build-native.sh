#!/bin/sh
# Compiles the native packages inside another Debian's root file system, against its headers and for
# its Node. Called by roots.mjs in a mount and process namespace of its own. Arguments: root,
# checkout, the machine's npm (for its node-gyp), and where each package's build goes.
set -eu
. "${0%/*}/../lab/enter-root.sh"
root=$1
checkout=$2
npm=$3
builds=$4

mount --make-rprivate /
furnish_root "$root" "$checkout"
mount --bind "$npm" "$root/srv"
# node-gyp first removes a folder named `build`, so it works on copies, not in the checkout.
work=$builds.work
rm -rf "$work" "$builds.partial"
mkdir -p "$work/src" "$builds.partial"
ln -s "$checkout/node_modules" "$work/node_modules"
cp "$checkout"/src/native-build.mjs "$work/src/"
for binding in "$checkout"/src/*/binding.gyp; do
  package=$(basename "${binding%/*}")
  mkdir "$work/src/$package"
  cp -r "${binding%/*}"/native "${binding%/*}"/*.mjs "${binding%/*}"/package.json "$binding" \
    "$work/src/$package/"
  chroot "$root" env npm_config_node_gyp=/srv/node_modules/node-gyp/bin/node-gyp.js \
    node "$work/src/$package/build.mjs"
  mv "$work/src/$package/build" "$builds.partial/$package"
done
rm -rf "$work" "$builds"
mv "$builds.partial" "$builds"
