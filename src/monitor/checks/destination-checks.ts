/**
 * What VM.migrateCheck reports of a destination apart from its libvirt: its name, its migration address,
 * its daemon, and both hosts' certificates. An unanswered check slows no migration down.
 */
import { isIP } from "node:net";
import type { Silence } from "../../core/destination.ts";
import {
  type CheckName,
  type Finding,
  bad,
  good,
  slotFinding,
  unknown,
} from "../../core/migrate-check.ts";
import { certificatesFinding } from "../../peer/certificates.ts";
import { answersConnect } from "../../peer/probe.ts";
import type { GuestThere, Peer, PeerLook } from "../../peer/peer.ts";
import { resolver } from "../../host/resolver.ts";
import type { ThisHost } from "../../host/this-host.ts";
import type { Context } from "../context.ts";
import { ownByResolving } from "../migrations/own-host.ts";
import type { MigrateRequest } from "../service.ts";

const RESOLVE_MS = 2_000;
const PROBE_MS = 2_000;

type DaemonCheck = Extract<
  CheckName,
  "daemon" | "version" | "incomingSlot" | "absentThere" | "certificates"
>;

export interface DaemonChecks {
  readonly findings: Readonly<Record<DaemonCheck, Finding>>;
  /** By the daemon; null: not reported. */
  readonly migrations: number | null;
}

/** Never rejects. */
export async function daemonChecks(
  vmId: string,
  address: { readonly host: string; readonly port: number },
  context: Context,
): Promise<DaemonChecks> {
  if (context.settings().peerMode === "none") {
    const unasked = unknown("peer.mode is none: no daemon is asked");
    const names = ["daemon", "version", "incomingSlot", "absentThere"] as const;
    const [daemon, version, incomingSlot, absentThere] = names.map(() => unasked);
    return {
      findings: {
        daemon: daemon ?? unasked,
        version: version ?? unasked,
        incomingSlot: incomingSlot ?? unasked,
        absentThere: absentThere ?? unasked,
        certificates: unasked,
      },
      migrations: null,
    };
  }
  const peer = context.peers.get(address);
  const [look, guest] = await Promise.all([peer.look(), peer.guest(vmId)]);
  return {
    findings: {
      ...(look.kind === "answers" ? answered(look, peer) : silent(look.silence)),
      absentThere: guestFinding(guest),
      certificates: certificatesFinding(look, context.settings().tlsFiles, context.clock.wallMs()),
    },
    migrations: look.kind === "answers" ? look.migrations : null,
  };
}

type LookCheck = Extract<DaemonCheck, "daemon" | "version" | "incomingSlot">;

function answered(
  { slots, slotsInUse, version }: Extract<PeerLook, { kind: "answers" }>,
  { address }: Peer,
): Readonly<Record<LookCheck, Finding>> {
  return {
    daemon: good(`answers at ${address.host}, port ${address.port}`),
    version: version === null ? unknown("not reported, as by a stock VDSM") : good(version),
    incomingSlot: slotFinding(slotsInUse, slots),
  };
}

function silent({ text }: Silence): Readonly<Record<LookCheck, Finding>> {
  const unasked = unknown("its daemon could not be asked");
  return { daemon: bad(text), version: unasked, incomingSlot: unasked };
}

function guestFinding({ kind }: GuestThere): Finding {
  switch (kind) {
    case "absent":
    case "left":
      return good("no VM with this id is there");
    case "active":
      return bad("a VM with this id already runs there");
    case "incoming":
      return bad("a VM with this id is arriving there");
    case "silent":
      return unknown("its daemon could not be asked");
  }
}

/** Whether the name in dst resolves, and not to this host. */
export async function resolved(
  request: MigrateRequest,
  host: string,
  thisHost: ThisHost,
): Promise<Finding> {
  const [itself, finding] = await Promise.all([
    ownByResolving(request, () => thisHost.ownHost()),
    lookedUp(host),
  ]);
  return itself === null ? finding : bad(itself.message);
}

async function lookedUp(host: string): Promise<Finding> {
  if (isIP(host) !== 0) return good(`${host} is an address`);
  const resolved = await resolver.resolve(host, AbortSignal.timeout(RESOLVE_MS));
  switch (resolved.kind) {
    case "found":
      return good(resolved.all.map(({ address }) => address).join(", "));
    case "failed":
      return resolved.error.code === "ENOTFOUND"
        ? bad(`the name ${host} does not exist`)
        : unknown(`${host}: ${String(resolved.error)}`);
    case "gaveUp":
      return unknown(`the resolver does not answer for ${host}`);
  }
}

/** The data go there. A refused connect counts as an answer. */
export async function migrationAddress(host: string, managementPort: number): Promise<Finding> {
  const answers = await answersConnect(host, managementPort, PROBE_MS);
  return answers ? good(`${host} answers`) : bad(`${host} does not answer`);
}
