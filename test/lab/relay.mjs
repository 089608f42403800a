/**
 * Connects a process outside a lab host, which shares the host's files but not its network, to a
 * TCP port inside: a Unix socket whose connections are forwarded byte by byte. It does not look at
 * the data, TLS or not. Plain JavaScript, because the host's Node runs it as it is.
 *
 *   node relay.mjs <unix socket> <address> <port>
 */
import { connect, createServer } from "node:net";

const [, , socketPath = "", host = "", port = ""] = process.argv;

createServer({ allowHalfOpen: true }, (near) => {
  const far = connect({ host, port: Number(port), allowHalfOpen: true });
  near.pipe(far).pipe(near);
  near.on("error", () => far.destroy()).on("close", () => far.destroy());
  far.on("error", () => near.destroy()).on("close", () => near.destroy());
}).listen(socketPath, () => process.stdout.write("relay ready\n"));
