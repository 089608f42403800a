/**
 * Floods a daemon's TCP port from inside a lab host: connections from many addresses that send
 * nothing, or start something and never finish it. A connection that the daemon closes is reopened
 * after a while. Plain JavaScript, because the host's Node runs it as it is.
 *
 *   node flood.mjs <address> <port> <count> <own | loopback>
 *
 * `own`: all from the host's own address, like another daemon's calls; `loopback`: from
 * 127.0.0.0/8, five per address, to a port of the same host.
 */
import { connect } from "node:net";

const [, , host = "", port = "", count = "", from = ""] = process.argv;
const REOPEN_MS = 5000;
const OF_ADDRESS = 5;

/** Nothing, the start of a ClientHello, and something that is not TLS but cannot be told yet. */
const BEGINNINGS = ["", "\u0016\u0003\u0001\u0002\u0000\u0001", "\u0016"];

let connected = 0;
let ended = 0;

function open(index) {
  const group = Math.floor(index / OF_ADDRESS);
  const localAddress = `127.7.${Math.floor(group / 250)}.${1 + (group % 250)}`;
  const socket = connect({
    host,
    port: Number(port),
    ...(from === "loopback" && { localAddress }),
  });
  socket.on("error", () => undefined).resume();
  socket.once("connect", () => {
    connected += 1;
    socket.write(BEGINNINGS[index % BEGINNINGS.length] ?? "");
    if (connected === Number(count)) process.stdout.write("flood ready\n");
  });
  socket.once("close", () => {
    ended += 1;
    if (ended === 1) process.stdout.write("flood resisted\n");
    setTimeout(() => open(index), REOPEN_MS);
  });
}

for (let index = 0; index < Number(count); index += 1) open(index);
