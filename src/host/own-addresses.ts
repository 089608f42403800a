/**
 * The current addresses of this host's interfaces. Needs AF_NETLINK; in a sandbox that denies it the
 * list is empty and nothing else fails.
 */
import { networkInterfaces } from "node:os";

export interface OwnInterfaceAddress {
  readonly address: string;
  /** The interface by name and, for IPv6, by number: both are spellings of an IPv6 zone. */
  readonly interfaceName: string;
  readonly scopeId: number;
  /** In bits. */
  readonly prefixLength: number;
  /** Whether the interface is a loopback. */
  readonly internal: boolean;
}

/** **Fails**: never; if the addresses cannot be read the list is empty and `onError` is told why. */
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
