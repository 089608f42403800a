// Compiles native/ into build/Release/node_posix.node, at `npm ci` and by hand (`node build.mjs`).
import { build } from "../native-build.mjs";

build("posix", import.meta.dirname);
