/**
 * The certificate with which this host speaks to other hosts' daemons: the daemon's own, as VDSM
 * has it. Without one the peers will not answer, which the bandwidth rule takes for silence; so it
 * is said in the log at once.
 */
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import type { Config } from "../config/config.ts";
import type { Log } from "../logger.ts";
import type { PeerTls } from "./peer-client.ts";

/**
 * null: no TLS, where ssl.enabled is false. undefined: the files cannot be read, or certificate and
 * key do not belong together (they are being renewed): keep what there is. Never rejects.
 */
export async function loadPeerTls(
  ssl: Config["ssl"],
  log: Log,
): Promise<PeerTls | null | undefined> {
  if (!ssl.enabled) return null;
  try {
    const [ca, cert, key] = await Promise.all([
      readFile(ssl.ca),
      readFile(ssl.cert),
      readFile(ssl.key),
    ]);
    createSecureContext({ ca, cert, key });
    return { ca, cert, key, verifyName: ssl.verify_peer_name };
  } catch (err) {
    log.warn({ err }, "no certificate for asking other hosts");
    return undefined;
  }
}
