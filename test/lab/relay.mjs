/**
 * A way to a TCP port inside a lab host for a process outside of it, which shares the host's files
 * but not its network: a Unix socket, each connection to which is carried on byte by byte. What
 * passes, TLS or not, is not looked at. Plain JavaScript, since the host's Node runs it as it is.
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
