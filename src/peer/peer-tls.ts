/**
 * The certificate with which this host speaks to other hosts' daemons: the daemon's own, as VDSM
 * has it. Without one the peers will not answer, which the bandwidth rule takes for silence; so it
 * is said in the log at once.
 */
import { readFile } from "node:fs/promises";
import type { Config } from "../config.ts";
import type { Log } from "../logger.ts";
import type { PeerTls } from "./peer-client.ts";

/** null: plain HTTP, where ssl.enabled is false. Never rejects. */
export async function loadPeerTls(ssl: Config["ssl"], log: Log): Promise<PeerTls | null> {
  if (!ssl.enabled) return null;
  try {
    const [ca, cert, key] = await Promise.all([
      readFile(ssl.ca),
      readFile(ssl.cert),
      readFile(ssl.key),
    ]);
    return { ca, cert, key };
  } catch (err) {
    log.warn({ err }, "no certificate for asking other hosts, they will seem silent");
    return {};
  }
}
