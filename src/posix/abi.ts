/**
 * The edge to C++: what build/Release/node_posix.node exports, and its loading. A system
 * call that failed returns errno, negative. Nothing outside this package imports this file,
 * nor can it: package.json exports index.js alone.
 */
import { createRequire } from "node:module";

export interface NativeCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

export interface NativeRefusal {
  /** X509_V_ERR_*. */
  readonly code: number;
  readonly text: string;
  /** DER. */
  readonly certificate: Buffer;
}

export interface NativeAddon {
  flock(fd: number, exclusive: boolean, nonBlocking: boolean): number;
  peerCredentials(fd: number): NativeCredentials | number;
  verifyInHandshake(on: boolean): boolean;
  takeRefusal(): NativeRefusal | null;
}

const load = createRequire(import.meta.url);

// The one cast: what a .node file exports has no type; this interface and native/addon.cc are
// written side by side, and test/posix/posix.test.ts holds their names against each other.
export const native = load("../build/Release/node_posix.node") as NativeAddon;
