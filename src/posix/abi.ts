/**
 * The C++ boundary: what build/Release/node_posix.node exports, and how it is loaded. A failed system
 * call returns a negative errno. Only this package can import this file: package.json exports
 * index.js alone.
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

// The only cast: what a .node file exports has no type. This interface and native/addon.cc are kept
// in step by hand; test/posix/posix.test.ts compares their names.
export const native = load("../build/Release/node_posix.node") as NativeAddon;
