/**
 * The addresses of this host's interfaces, as they are at the moment. Needs AF_NETLINK, which a sandbox
 * must allow; where it does not the host has none that we know of, and nothing else fails for it.
 */
import { networkInterfaces } from "node:os";

export interface OwnInterfaceAddress {
  readonly address: string;
  /** Its interface, by name and, for IPv6, by number: the two spellings of a zone. */
  readonly interfaceName: string;
  readonly scopeId: number;
  /** Bits of its network. */
  readonly prefixLength: number;
  /** A loopback interface's. */
  readonly internal: boolean;
}

/** **Fails**: never; `onError` is told why there are none. */
export function ownAddresses(
  onError: (error: unknown) => void = () => undefined,
): readonly OwnInterfaceAddress[] {
  try {
    return Object.entries(networkInterfaces()).flatMap(([interfaceName, infos]) =>
      (infos ?? []).map((info) => ({
        address: info.address,
        interfaceName,
        scopeId: info.family === "IPv6" ? info.scopeid : 0,
        prefixLength: Number(info.cidr?.split("/")[1] ?? 0),
        internal: info.internal,
      })),
    );
  } catch (error) {
    onError(error);
    return [];
  }
}
