/**
 * What the listeners are opened with, and how the configuration says it. Nothing here opens one.
 */

import type { Config } from "../config/config.ts";
import { defaultRpcLimits, type RpcLimits } from "./limits.ts";
import type { AccessRules } from "./roles.ts";
import type { TlsFiles } from "./tls-server.ts";

export interface ListenerOptions {
  /** Absent: none. Port 0: one that the kernel picks. Without `tls`: plain text. */
  readonly tcp?: { readonly host: string; readonly port: number; readonly tls?: TlsFiles };
  readonly unixSocket?: string;
  /** Its group; absent: for its owner only. */
  readonly unixSocketGroup?: string;
  readonly unixSocketReadOnly?: string;
  /** Who may do what now; absent: the default, where any certificate controls. */
  readonly access?: () => AccessRules;
  /** Origins of the daemon's own pages besides the literal address that was connected to. */
  readonly ownOrigins: readonly string[];
  readonly limits: RpcLimits;
}

/** What the configuration says about listeners. `access` is asked anew for each request. */
export function listenerOptions(
  { addresses, ssl }: Config,
  access: () => AccessRules,
): ListenerOptions {
  const { management_ip: host, management_port: port, unix_socket: unixSocket } = addresses;
  const { unix_socket_group: unixSocketGroup, unix_socket_ro: unixSocketReadOnly } = addresses;
  const tls = ssl.enabled ? { tls: { ca: ssl.ca, cert: ssl.cert, key: ssl.key } } : {};
  return {
    ...(host !== "" && { tcp: { host, port, ...tls } }),
    unixSocket,
    ...(unixSocketGroup !== "" && { unixSocketGroup }),
    ...(unixSocketReadOnly !== "" && { unixSocketReadOnly }),
    access,
    ownOrigins: [],
    limits: defaultRpcLimits,
  };
}
