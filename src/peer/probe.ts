/**
 * Whether a host answers at an address at all: a TCP connect to it, of which nothing but the answer is
 * wanted. A refused connect is one, too: it takes a living host to refuse.
 *
 * Never to a port that libvirt gives to migrations (49152 and up): QEMU listens there for as long as a
 * guest is arriving, takes a connect in a paused post-copy for the one that resumes it, and dies of its
 * end (seen with QEMU 7.2). So it is asked at the ports of the two daemons that every destination has.
 */
import { connect } from "node:net";
import { resolver } from "../host/resolver.ts";

/** libvirt's own port for TLS. Source: libvirtd.conf, tls_port. */
const LIBVIRT_TLS_PORT = 16_514;

/** Settles within `deadlineMs`. `managementPort`: where a daemon of ours would be. */
export async function answersConnect(
  host: string,
  managementPort: number,
  deadlineMs: number,
): Promise<boolean> {
  const ports = [managementPort, LIBVIRT_TLS_PORT];
  const answers = ports.map((port) => answersAt(host, port, deadlineMs));
  return (await Promise.all(answers)).includes(true);
}

function answersAt(host: string, port: number, deadlineMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const lookup = resolver.forSocket(AbortSignal.timeout(deadlineMs));
    const socket = connect({ host, port, lookup });
    const done = (answers: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answers);
    };
    const timer = setTimeout(() => done(false), deadlineMs);
    socket.once("connect", () => done(true));
    socket.once("error", (error: NodeJS.ErrnoException) => done(error.code === "ECONNREFUSED"));
  });
}
