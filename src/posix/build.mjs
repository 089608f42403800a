// Compiles native/ into build/Release/node_posix.node; run by `npm ci`, or by hand (`node build.mjs`).
import { build } from "../native-build.mjs";

build("posix", import.meta.dirname);
