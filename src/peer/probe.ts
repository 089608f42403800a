/**
 * Whether a host is reachable at an address: a TCP connect that is closed at once. A refused connect
 * counts as reachable, since it takes a live host to refuse.
 *
 * Never connects to a port that libvirt uses for migrations (49152 and up). QEMU keeps listening there
 * while a guest arrives; QEMU < 8.2 treats any incoming connection during a broken post-copy as the
 * resume connection and crashes when it closes. So the ports of the two daemons that every destination
 * runs are tried instead.
 */
import { connect } from "node:net";
import { resolver } from "../host/resolver.ts";

/** Source: libvirtd.conf, tls_port. */
const LIBVIRT_TLS_PORT = 16_514;

/** Settles within `deadlineMs`. `managementPort`: where our daemon would listen. */
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
