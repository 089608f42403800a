/**
 * Every constant that the package exports, held against the API description of the installed
 * libvirt, which libvirt-dev brings: value by value, and that none of libvirt 9.0 is left out.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import * as libvirt from "libvirt";
import { describe, expect, it } from "vitest";

const API = "/usr/share/libvirt/api/libvirt-api.xml";
const SOURCES = path.resolve(import.meta.dirname, "../../src/libvirt");

interface Described {
  readonly value: number;
  readonly type: string;
  readonly since: string;
}

function attribute(tag: string, name: string): string {
  return new RegExp(`\\s${name}='([^']*)'`).exec(tag)?.[1] ?? "";
}

/** The enumerators of the API by name. An alias's value is the name of what it stands for. */
function readApi(): ReadonlyMap<string, Described> {
  const tags = readFileSync(API, "utf8").match(/<enum\s[^>]*>/g) ?? [];
  const raw = new Map(tags.map((tag) => [attribute(tag, "name"), tag]));
  const valueOf = (name: string): number => {
    const text = attribute(raw.get(name) ?? "", "value");
    return /^-?\d+$/.test(text) ? Number(text) : valueOf(text);
  };
  return new Map(
    [...raw].map(([name, tag]) => [
      name,
      {
        value: attribute(tag, "value") === "" ? Number.NaN : valueOf(name),
        type: attribute(tag, "type"),
        since: attribute(tag, "version"),
      },
    ]),
  );
}

/** Exported name, prefix of its members in the API, type there. */
const groups = [
  ["ListDomainsFlag", "VIR_CONNECT_LIST_DOMAINS_", "virConnectListAllDomainsFlags"],
  ["DomainState", "VIR_DOMAIN_", "virDomainState"],
  ["RunningReason", "VIR_DOMAIN_RUNNING_", "virDomainRunningReason"],
  ["PausedReason", "VIR_DOMAIN_PAUSED_", "virDomainPausedReason"],
  ["ShutdownReason", "VIR_DOMAIN_SHUTDOWN_", "virDomainShutdownReason"],
  ["ShutoffReason", "VIR_DOMAIN_SHUTOFF_", "virDomainShutoffReason"],
  ["CrashedReason", "VIR_DOMAIN_CRASHED_", "virDomainCrashedReason"],
  ["XmlFlag", "VIR_DOMAIN_XML_", "virDomainXMLFlags"],
  ["CreateFlag", "VIR_DOMAIN_START_", "virDomainCreateFlags"],
  ["DefineFlag", "VIR_DOMAIN_DEFINE_", "virDomainDefineFlags"],
  ["DestroyFlag", "VIR_DOMAIN_DESTROY_", "virDomainDestroyFlagsValues"],
  ["UndefineFlag", "VIR_DOMAIN_UNDEFINE_", "virDomainUndefineFlagsValues"],
  ["ShutdownFlag", "VIR_DOMAIN_SHUTDOWN_", "virDomainShutdownFlagValues"],
  ["SaveRestoreFlag", "VIR_DOMAIN_SAVE_", "virDomainSaveRestoreFlags"],
  ["MigrateFlag", "VIR_MIGRATE_", "virDomainMigrateFlags"],
  ["MaxSpeedFlag", "VIR_DOMAIN_MIGRATE_MAX_SPEED_", "virDomainMigrateMaxSpeedFlags"],
  ["JobType", "VIR_DOMAIN_JOB_", "virDomainJobType"],
  ["JobOperation", "VIR_DOMAIN_JOB_OPERATION_", "virDomainJobOperation"],
  ["JobStatsFlag", "VIR_DOMAIN_JOB_STATS_", "virDomainGetJobStatsFlags"],
  ["AbortJobFlag", "VIR_DOMAIN_ABORT_JOB_", "virDomainAbortJobFlagsValues"],
  ["DomainEvent", "VIR_DOMAIN_EVENT_", "virDomainEventType"],
  ["DefinedDetail", "VIR_DOMAIN_EVENT_DEFINED_", "virDomainEventDefinedDetailType"],
  ["UndefinedDetail", "VIR_DOMAIN_EVENT_UNDEFINED_", "virDomainEventUndefinedDetailType"],
  ["StartedDetail", "VIR_DOMAIN_EVENT_STARTED_", "virDomainEventStartedDetailType"],
  ["SuspendedDetail", "VIR_DOMAIN_EVENT_SUSPENDED_", "virDomainEventSuspendedDetailType"],
  ["ResumedDetail", "VIR_DOMAIN_EVENT_RESUMED_", "virDomainEventResumedDetailType"],
  ["StoppedDetail", "VIR_DOMAIN_EVENT_STOPPED_", "virDomainEventStoppedDetailType"],
  ["ShutdownDetail", "VIR_DOMAIN_EVENT_SHUTDOWN_", "virDomainEventShutdownDetailType"],
  ["CrashedDetail", "VIR_DOMAIN_EVENT_CRASHED_", "virDomainEventCrashedDetailType"],
  ["ConnectionCloseReason", "VIR_CONNECT_CLOSE_REASON_", "virConnectCloseReason"],
  ["CpuCompareResult", "VIR_CPU_COMPARE_", "virCPUCompareResult"],
  ["CompareCpuFlag", "VIR_CONNECT_COMPARE_CPU_", "virConnectCompareCPUFlags"],
  ["ErrorCode", "VIR_ERR_", "virErrorNumber"],
  ["ErrorLevel", "VIR_ERR_", "virErrorLevel"],
] as const;

function constantsOf(exported: string): Readonly<Record<string, number>> {
  const found = new Map<string, object>(Object.entries(libvirt)).get(exported) ?? {};
  return Object.fromEntries(Object.entries(found));
}

/** `NAME: value` with the "Since" before it, as the sources write them. */
function sinceInSource(exported: string, name: string): string | undefined {
  const files = ["domain", "error", "event", "host", "job"].map((part) =>
    readFileSync(path.join(SOURCES, `constants-${part}.ts`), "utf8"),
  );
  const group = files
    .flatMap((text) => text.split("export const ").slice(1))
    .find((text) => text.startsWith(`${exported} =`));
  return new RegExp(`/\\*\\* Since ([\\d.]+)\\. \\*/\\s+${name}:`).exec(group ?? "")?.[1];
}

const newerThan = (version: string, major: number): boolean =>
  Number(version.split(".")[0]) > major;

describe("constants are libvirt's own", () => {
  const api = readApi();

  it.each(groups)("%s", (exported, prefix, type) => {
    const constants = constantsOf(exported);
    const ours = Object.entries(constants).map(([name, value]) => [
      prefix + name,
      { value, type, since: sinceInSource(exported, name) },
    ]);
    const theirs = Object.keys(constants).map((name) => [prefix + name, api.get(prefix + name)]);
    expect(Object.fromEntries(ours)).toEqual(Object.fromEntries(theirs));
  });

  it.each(groups)("%s leaves out none that libvirt 9 has", (exported, prefix, type) => {
    const constants = constantsOf(exported);
    const missing = [...api]
      .filter(([, described]) => described.type === type && !newerThan(described.since, 9))
      .map(([name]) => name)
      .filter((name) => name.startsWith(prefix) && !name.endsWith("_LAST"))
      .filter((name) => !Object.hasOwn(constants, name.slice(prefix.length)));
    expect(missing).toEqual([]);
  });

  it("every group that the package exports is in the table above", () => {
    const tested: string[] = groups.map(([exported]) => exported);
    const tables = ["migrateParams", "saveParams"];
    const exported = Object.entries(libvirt)
      .filter(([name, value]) => typeof value === "object" && !tables.includes(name))
      .map(([name]) => name);
    expect(exported.toSorted()).toEqual(tested.toSorted());
  });
});

describe("parameters are libvirt's own", () => {
  const header = readFileSync("/usr/include/libvirt/libvirt-domain.h", "utf8");
  const defined = (prefix: string): string[] =>
    [...header.matchAll(new RegExp(`# *define ${prefix}\\w+\\s+"([^"]+)"`, "g"))].map(
      (match) => match[1] ?? "",
    );

  it.each([
    ["migrateParams", "VIR_MIGRATE_PARAM_", libvirt.migrateParams],
    ["saveParams", "VIR_DOMAIN_SAVE_PARAM_", libvirt.saveParams],
  ])("%s knows each name of the header", (_, prefix, table) => {
    const names = defined(prefix);
    expect(names.length).toBeGreaterThan(0);
    expect(names.filter((name) => !Object.hasOwn(table, name))).toEqual([]);
  });

  it("each has the type that the header gives it", () => {
    const types: Readonly<Record<string, string>> = {
      string: "STRING",
      stringList: "STRING",
      int: "INT",
      ullong: "ULLONG",
    };
    const comments = header.split("/**").slice(1);
    for (const [name, type] of Object.entries({
      ...libvirt.migrateParams,
      ...libvirt.saveParams,
    })) {
      const comment = comments.find((text) => text.includes(`"${name}"`) && /_PARAM_/.test(text));
      // Newer than the installed libvirt, or without a type there (listen_address).
      if (comment?.includes("VIR_TYPED_PARAM_") !== true) continue;
      expect(`${name}: ${comment}`).toContain(`VIR_TYPED_PARAM_${types[type]}`);
    }
  });
});
