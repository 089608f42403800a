/**
 * Who may do what: the role of a connection, from the listener it came through, the subject of its certificate
 * and the rules of the configuration. Pure, and asked for each request and event, so that a
 * changed configuration applies to open connections too. Which verbs a role has is the verb table's.
 *
 * A subject is compared as a whole and as text, in RFC 2253's form. No part of it and no pattern is
 * ever matched: an authority that lets its clients choose an organisation must not thereby let them
 * choose a name. `O=x,CN=engine` inside of a value arrives escaped and is another text.
 */

import type { Config } from "../config/config.ts";
import type { Verb, VerbRole } from "../wire/verb.ts";

/** `none` may do nothing, not even ping. */
export type Role = VerbRole | "none";

export type AccessRules = Config["access"];

/** As without configuration, and as VDSM. */
export const anyCertificateControls: AccessRules = {
  control: [],
  peer: [],
  read_only: [],
  default_role: "control",
};

/** `unix` is for control and `unixReadOnly` for reading, whoever it is: file modes decide who. */
export type ListenerKind = "tcp" | "tls" | "unix" | "unixReadOnly";

/** `subject` undefined: no certificate, or one without a subject. */
export function roleOf(
  listener: ListenerKind,
  subject: string | undefined,
  rules: AccessRules,
): Role {
  switch (listener) {
    case "unix":
      return "control";
    case "unixReadOnly":
      return "read-only";
    case "tcp":
    case "tls":
      if (subject === undefined) return rules.default_role;
      if (rules.control.includes(subject)) return "control";
      if (rules.peer.includes(subject)) return "peer";
      if (rules.read_only.includes(subject)) return "read-only";
      return rules.default_role;
  }
}

export function mayCall(role: Role, { roles }: Pick<Verb, "roles">): boolean {
  return role !== "none" && roles.includes(role);
}

/** A peer asks for what it needs; events tell of every VM of the host. */
export function mayHearEvents(role: Role): boolean {
  return role === "control" || role === "read-only";
}

/** Those that VM.migrationCreate is open to: held to the verb table by a test. */
export function maySendDefinitions(role: Role): boolean {
  return role === "control" || role === "peer";
}
