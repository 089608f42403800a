/**
 * The few calls that Node lacks, to the system and to its own OpenSSL: what this package offers. See
 * README.md. It owns no descriptor and no policy; it knows nothing of the daemon.
 */
import type { Socket } from "node:net";
import { constants } from "node:os";
import { getSystemErrorName } from "node:util";
import { native } from "./abi.ts";

/** `code` is the errno's name (EBADF), as in Node's own errors. */
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
  /** Otherwise the whole JavaScript thread waits until the lock is free. */
  readonly nonBlocking: boolean;
}

/**
 * flock(2): locks the open file description of the descriptor until its last descriptor is closed,
 * at the latest by the end of the process, however it ends. false: somebody else holds it (only with
 * nonBlocking). **Fails**: PosixError (EBADF, ENOLCK, EOPNOTSUPP, …).
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
 * SO_PEERCRED: who connected to the Unix socket, as of that moment (the pid may be another's by
 * now; 0 is a process outside this pid namespace). **Fails**: PosixError (EBADF, ENOTSOCK).
 */
export function peerCredentials(fd: number): PeerCredentials {
  const result = native.peerCredentials(descriptor(fd));
  if (typeof result === "number") throw new PosixError(result, "getsockopt");
  return result;
}

/** The descriptor of a connected socket; undefined once it is closed. Node has no public name for it. */
export function descriptorOf(socket: Socket): number | undefined {
  const handle: unknown = Reflect.get(socket, "_handle");
  if (typeof handle !== "object" || handle === null) return undefined;
  const fd: unknown = Reflect.get(handle, "fd");
  return typeof fd === "number" && fd >= 0 ? fd : undefined;
}

/**
 * TLS contexts made meanwhile verify certificates within the handshake: a refused one ends it with the
 * alert that OpenSSL has for the reason. Node alone lets the handshake succeed and then drops the
 * connection. Servers among them send one TLS 1.3 session ticket, not two (handshake.cc says why).
 * Nothing is verified less: where Node does not let it be done, all is as without it.
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
  /** OpenSSL's words, as "certificate has expired". */
  readonly reason: string;
  /** The other side's own, in DER. */
  readonly certificate: Buffer;
}

/**
 * Why a handshake of such a context was refused last, if that has not been asked yet. To be asked in
 * the event that tells of it, before another handshake goes on.
 */
export function takeHandshakeRefusal(): HandshakeRefusal | undefined {
  const refusal = native.takeRefusal();
  return refusal === null ? undefined : { reason: refusal.text, certificate: refusal.certificate };
}

function descriptor(fd: number): number {
  if (Number.isInteger(fd) && fd >= 0 && fd <= 0x7fffffff) return fd;
  throw new RangeError(`${fd} is not a file descriptor`);
}
