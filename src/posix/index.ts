/**
 * System calls and OpenSSL features that Node lacks: this package's API, described in README.md. Owns
 * no descriptor and makes no policy; knows nothing of the daemon.
 */
import type { Socket } from "node:net";
import { constants } from "node:os";
import { getSystemErrorName } from "node:util";
import { native } from "./abi.ts";

/** `code` is the name of the errno (EBADF), as in Node's own errors. */
export class PosixError extends Error {
  override readonly name = "PosixError";
  readonly code: string;
  readonly syscall: string;

  constructor(errno: number, syscall: string) {
    const code = getSystemErrorName(errno);
    super(`${syscall}: ${code}`);
    this.code = code;
    this.syscall = syscall;
  }
}

export interface FlockOptions {
  readonly exclusive: boolean;
  /** Otherwise the JavaScript thread blocks until the lock is free. */
  readonly nonBlocking: boolean;
}

/**
 * flock(2): locks the descriptor's open file description until its last descriptor is closed, at the
 * latest when the process ends, however it ends. false (only with nonBlocking): another process
 * holds the lock. **Fails**: PosixError (EBADF, ENOLCK, EOPNOTSUPP, …).
 */
export function flock(fd: number, { exclusive, nonBlocking }: FlockOptions): boolean {
  const result = native.flock(descriptor(fd), exclusive, nonBlocking);
  if (result === -constants.errno.EWOULDBLOCK) return false;
  if (result < 0) throw new PosixError(result, "flock");
  return true;
}

export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * SO_PEERCRED: who connected to the Unix socket, as of that moment (the pid may have been reused;
 * 0 stands for a process outside this pid namespace). **Fails**: PosixError (EBADF, ENOTSOCK).
 */
export function peerCredentials(fd: number): PeerCredentials {
  const result = native.peerCredentials(descriptor(fd));
  if (typeof result === "number") throw new PosixError(result, "getsockopt");
  return result;
}

/** A connected socket's descriptor; undefined once it is closed. Node has no public API for it. */
export function descriptorOf(socket: Socket): number | undefined {
  const handle: unknown = Reflect.get(socket, "_handle");
  if (typeof handle !== "object" || handle === null) return undefined;
  const fd: unknown = Reflect.get(handle, "fd");
  return typeof fd === "number" && fd >= 0 ? fd : undefined;
}

/**
 * TLS contexts made by `make` verify certificates during the handshake: a rejected one ends it with
 * OpenSSL's alert for the reason. Node on its own completes the handshake and then drops the
 * connection. Servers made this way send one TLS 1.3 session ticket instead of two (handshake.cc says
 * why). Verification is never weaker: where Node does not support this, Node's own behavior remains.
 */
export function verifyingInHandshake<T>(make: () => T): T {
  native.verifyInHandshake(true);
  try {
    return make();
  } finally {
    native.verifyInHandshake(false);
  }
}

export interface HandshakeRefusal {
  /** OpenSSL's text, such as "certificate has expired". */
  readonly reason: string;
  /** The other side's certificate, in DER. */
  readonly certificate: Buffer;
}

/**
 * Why the last handshake of such a context was rejected; undefined if that has been taken already.
 * Call it in the event that reports the failure, before another handshake makes progress.
 */
export function takeHandshakeRefusal(): HandshakeRefusal | undefined {
  const refusal = native.takeRefusal();
  return refusal === null ? undefined : { reason: refusal.text, certificate: refusal.certificate };
}

function descriptor(fd: number): number {
  if (Number.isInteger(fd) && fd >= 0 && fd <= 0x7fffffff) return fd;
  throw new RangeError(`${fd} is not a file descriptor`);
}
