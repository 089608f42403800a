/**
 * The certificate that this host presents to other hosts' daemons: the daemon's own, as in VDSM.
 * Without one the peers do not answer, which the bandwidth rule treats as silence, so a missing one is
 * logged at once.
 */
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import type { Config } from "../config/config.ts";
import type { Log } from "../logger.ts";
import type { PeerTls } from "./peer-address.ts";

/**
 * null: ssl.enabled is false. undefined: the files cannot be read, or certificate and key do not match
 * (they are being renewed): keep the present ones. Never rejects.
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
    log.warn({ err }, "no usable certificate for requests to other hosts");
    return undefined;
  }
}
