// Compiles native/ into build/Release/node_libvirt.node, at `npm ci` and by hand (`node build.mjs`).
import { answers, build, fail } from "../native-build.mjs";

if (!answers("pkg-config", ["--version"])) {
  fail("libvirt", "pkg-config is missing; on Debian and Ubuntu: apt-get install pkg-config");
}
// 8.5 brought virDomainAbortJobFlags, the newest function in use.
if (!answers("pkg-config", ["--atleast-version=8.5", "libvirt"])) {
  fail(
    "libvirt",
    "libvirt's headers, 8.5 or newer, are missing; on Debian and Ubuntu: apt-get install libvirt-dev",
  );
}
build("libvirt", import.meta.dirname);
