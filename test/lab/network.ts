/**
 * The links between the hosts: two virtual cables per pair of hosts, one for control and one for
 * migration, without a bridge, so that one can be cut while the other still works. Addresses and
 * cables exist only in the hosts' namespaces and disappear with them.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { CutKind, Host, LinkName } from "./api.ts";

const run = promisify(execFile);

/** A locally administered address that no host has, so no host accepts packets sent to it. */
const NOBODY = "02:00:00:00:00:01";

const PREFIX: Readonly<Record<LinkName, string>> = { control: "ctl", migration: "mig" };

function addressOf(host: Host, link: LinkName): string {
  switch (link) {
    case "control":
      return host.controlAddress;
    case "migration":
      return host.migrationAddress;
  }
}

/** A host's interface to `peer`, such as "mig-b". */
function interfaceTo(peer: Host, link: LinkName): string {
  return `${PREFIX[link]}-${peer.name.slice(-1)}`;
}

function ip(host: Host, lines: readonly string[]): Promise<string> {
  return host.exec("ip", ["-batch", "-"], { input: `${lines.join("\n")}\n` });
}

function addressLines(host: Host, peer: Host): string[] {
  return (["control", "migration"] as const).flatMap((link) => {
    const name = interfaceTo(peer, link);
    return [
      // On lo too, so that a host reaches its own address even while the link is down.
      `address replace ${addressOf(host, link)} dev lo`,
      `address add ${addressOf(host, link)} peer ${addressOf(peer, link)} dev ${name}`,
      `link set ${name} up`,
    ];
  });
}

function pairsOf(hosts: readonly Host[]): [Host, Host][] {
  return hosts.flatMap((a, i) => hosts.slice(i + 1).map((b): [Host, Host] => [a, b]));
}

/** Creates both links between every pair of hosts. */
export async function layLinks(hosts: readonly Host[]): Promise<void> {
  for (const [a, b] of pairsOf(hosts)) {
    const cables = (["control", "migration"] as const).map((link) => {
      const far = `peer name ${interfaceTo(a, link)} netns ${b.initPid}`;
      return `link add ${interfaceTo(b, link)} type veth ${far}`;
    });
    // Only enter the network of `a`, not its process tree: `b` has no process ID there.
    const inNetwork = ["--target", String(a.initPid), "--net", "ip", "-batch", "-"];
    const added = run("nsenter", inNetwork);
    added.child.stdin?.end(`${cables.join("\n")}\n`);
    await added;
    await Promise.all([ip(a, addressLines(a, b)), ip(b, addressLines(b, a))]);
  }
}

/** Cuts a link between all hosts. A second cut of the other kind adds to the first. */
export async function cutLink(
  hosts: readonly Host[],
  link: LinkName,
  kind: CutKind,
): Promise<void> {
  await eachEnd(hosts, (host, peer) => {
    const name = interfaceTo(peer, link);
    switch (kind) {
      case "down":
        return host.exec("ip", ["link", "set", name, "down"]);
      case "swallow": {
        const neighbour = [addressOf(peer, link), "lladdr", NOBODY, "dev", name];
        return host.exec("ip", ["neighbour", "replace", ...neighbour, "nud", "permanent"]);
      }
    }
  });
}

/** Undoes every cut of the link; does nothing if there is none. */
export async function restoreLink(hosts: readonly Host[], link: LinkName): Promise<void> {
  await eachEnd(hosts, async (host, peer) => {
    const name = interfaceTo(peer, link);
    await host.exec("ip", ["neighbour", "flush", "dev", name, "nud", "permanent"]);
    return host.exec("ip", ["link", "set", name, "up"]);
  });
}

async function eachEnd(
  hosts: readonly Host[],
  act: (host: Host, peer: Host) => Promise<unknown>,
): Promise<void> {
  const ends = pairsOf(hosts).flatMap(([a, b]): [Host, Host][] => [
    [a, b],
    [b, a],
  ]);
  await Promise.all(ends.map(([host, peer]) => act(host, peer)));
}
