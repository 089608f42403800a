/**
 * The feature page "Migration Enhancements" of oVirt, claim by claim in our own words, each with the
 * tests that show it. What this file shows itself stands below the table. What is the engine's part
 * is named with the verb or event that serves it.
 *
 * A reference is "file > title", the file below test/ without its ending, the title from its first
 * letter as far as it is needed (of a parametrised test: without what differs). A scenario is named by
 * its file.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { SmallHost, WELCOMING } from "./monitor/small-host.ts";

interface Claim {
  readonly says: string;
  readonly shownBy: readonly string[];
}

/** What the host does and what it offers to the engine. */
const POLICIES: readonly Claim[] = [
  {
    says: "policies are the engine's to define: each comes with its migration and is carried out here",
    shownBy: [
      "hosts/policies > Minimal downtime raises downtime step by step, then gives up",
      "hosts/policies > Suspend workload if needed arrives by its last downtime",
      "hosts/policies > Post-copy arrives by post-copy",
      "hosts/policies > Very large VMs arrives over parallel connections",
      "scenarios/schedule-minimal-downtime.txt",
    ],
  },
  {
    says: "they differ in how far they go: post-copy is sure to converge, and may lose the VM",
    shownBy: [
      "hosts/policies > Post-copy arrives by post-copy",
      "hosts/post-copy > QEMU of host-%s killed: the guest is lost, and said so",
    ],
  },
  {
    says: "a migration that stalls is told to the engine by an event",
    shownBy: [
      "hosts/stall > stalls at each multiple of the limit and is aborted at the timeout",
      "core/stall > an event goes out at each multiple, once",
      "scenarios/never-converges.txt",
    ],
  },
  {
    says: "the engine sees a running migration's parameters, and can answer with others",
    shownBy: [
      "hosts/migrate > show a guest on its way, and one that waits, on both ends",
      "hosts/stall > arrives when the engine answers the event with more downtime",
      "hosts/stall > arrives when the engine answers with more bandwidth",
      "core/change > carried out",
    ],
  },
];

const MIGRATE: readonly Claim[] = [
  {
    says: "dst: another host, or the image's file; mode says which",
    shownBy: [
      "hosts/migrate > move a transient guest, which lives only there, and tell it in order",
      "hosts/hibernation > is in its image, with its parameters beside it",
    ],
  },
  {
    says: "dstparams: the file for the VM's parameters beside the image",
    shownBy: ["hosts/hibernation > is in its image, with its parameters beside it"],
  },
  {
    says: "method: online is the only one",
    shownBy: ["wire/verbs > VM.migrate refuses, naming the parameter"],
  },
  {
    says: "consoleAddress: where the client's console goes on",
    shownBy: [
      "monitor/migrations/call > of a guest with %j follows %j",
      "hosts/placement > a guest arrives pinned as asked for, and listens on the destination's address",
    ],
  },
  {
    says: "dstqemu: the destination's address for the data alone",
    shownBy: ["hosts/blocked > cut (%s) in mid-transfer ends the migration by the timeout"],
  },
  {
    says: "compressed and autoConverge reach libvirt",
    shownBy: ["feature-page > compressed and autoConverge are in the call, and off by default"],
  },
  {
    says: "migrationProgressTimeout: the host's own hard limit, which needs no engine",
    shownBy: [
      "hosts/stall > stalls at each multiple of the limit and is aborted at the timeout, with no engine",
      "core/stop > the hard limit of 10 s",
      "core/stall > the hard limit of 10 s needs time and evidence",
    ],
  },
  {
    says: "downtime: where it is given the engine owns it, and the host takes no step of its own",
    shownBy: [
      "hosts/downtime > given by the engine never takes a step",
      "core/downtime > never for an engine's value",
    ],
  },
  {
    says: "no downtime given: the host raises it by itself, step by step",
    shownBy: [
      "hosts/downtime > goes up by the configured steps",
      "core/downtime > the sequence",
      "scenarios/downtime-steps.txt",
    ],
  },
  {
    says: "stallingLimit: after so long without advance an event is sent; 0 is none",
    shownBy: ["core/stall > off: none, however long", "core/stall > when it advances again"],
  },
  {
    says: "maxBandwidth: the most that migrations may use",
    shownBy: ["core/bandwidth > the rule: max(floor, int(max / N)), whole and at least 1"],
  },
  {
    says: "what of these is left out is as configured",
    shownBy: ["feature-page > what is left out is as configured"],
  },
];

const CHANGE_PARAMS: readonly Claim[] = [
  {
    says: "migrateChangeParams takes vmID, downtime, migrationTechnique and stallingLimit",
    shownBy: ["wire/verbs > VM.migrateChangeParams takes"],
  },
  {
    says: "downtime: the VM's maximum from then on",
    shownBy: [
      "hosts/downtime > given by the engine on the way ends the steps for good",
      "core/change > part by part and state by state",
    ],
  },
  {
    says: "migrationTechnique: on to post-copy, or the wish taken back while it is not too late",
    shownBy: [
      "hosts/stall > goes over to post-copy by a wish given before data flow",
      "core/change > post-copy is not asked for before data flow, and the wish can be taken back",
    ],
  },
  {
    says: "stallingLimit: for what is stalled already, too",
    shownBy: ["core/stall > a changed limit"],
  },
];

const BANDWIDTH: readonly Claim[] = [
  {
    says: "it is not fixed at the start: each cycle shares it anew among the VMs that migrate",
    shownBy: [
      "hosts/bandwidth > is shared equally by 1, 2 and 4 migrations",
      "core/bandwidth > a raised maxBandwidth is shared out by the next cycle",
      "scenarios/equal-sharing.txt",
    ],
  },
  {
    says: "min_migration_bandwidth is a key of the configuration, and no share is below it",
    shownBy: [
      "config/config > holds every key with its default, and nothing else",
      "core/bandwidth > the floors exceed the maximum: %s",
    ],
  },
  {
    says: "the share is the maximum by the larger number of source's and destination's migrations",
    shownBy: [
      "core/bandwidth > the rule: max(floor, int(max / N))",
      "core/bandwidth > at the start",
    ],
  },
  {
    says: "either host's number is of those that leave and those that come, whoever began them",
    shownBy: [
      "hosts/bandwidth > is shared by both directions at once",
      "hosts/bandwidth > counts a migration that somebody else started",
    ],
  },
  {
    says: "the destination's number is asked of the destination's daemon",
    shownBy: ["feature-page > the destination is asked"],
  },
  {
    says: "a destination that does not answer halves the cap, and never below the floor",
    shownBy: [
      "hosts/bandwidth > halves down to the floor while the destination's daemon is silent",
      "core/bandwidth > the next cap",
      "scenarios/silent-destination.txt",
    ],
  },
];

/** Not ours: with what the host serves it. */
const ENGINE: readonly (readonly [string, readonly string[]])[] = [
  ["listens to events of stalling and follows its policy", ["VM_migration_stalling"]],
  ["changes a migration's parameters as it goes", ["VM.migrateChangeParams"]],
  ["shows policies to pick from, by cluster and by VM", ["convergenceSchedule"]],
];

const here = import.meta.dirname;
const folder = (file: string): string => path.join(here, file);

/** The titles in a test file, of groups as of tests: string literals that a function follows. */
function titlesIn(file: string): readonly string[] {
  const text = readFileSync(folder(`${file}.test.ts`), "utf8");
  const titles = text.matchAll(/\(\s*"((?:[^"\\]|\\.)+)",\s*(?:async\s*)?(?:\(|[a-z_]\w*\s*=>)/g);
  return [...titles].map(([, title = ""]) => title);
}

describe.each(Object.entries({ POLICIES, MIGRATE, CHANGE_PARAMS, BANDWIDTH }))(
  "%s",
  (_, claims) => {
    it.each(claims)("$says", ({ shownBy }) => {
      for (const reference of shownBy) {
        const [file = "", title] = reference.split(" > ");
        if (title === undefined) expect(existsSync(folder(file)), reference).toBe(true);
        else
          expect(
            titlesIn(file).filter((each) => each.startsWith(title)),
            reference,
          ).not.toEqual([]);
      }
    });
  },
);

describe("the engine's part", () => {
  const source = readdirSync(folder("../src"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.includes("dist/"))
    .map((file) => readFileSync(folder(`../src/${file}`), "utf8"))
    .join();

  it.each(ENGINE)("%s", (_says, served) => {
    for (const word of served) expect(source.includes(word), word).toBe(true);
  });
});

const VM = "11111111-1111-4111-8111-111111111111";

describe("on a host", () => {
  it("what is left out is as configured", async () => {
    const vars = { migration_max_bandwidth: 33, migration_progress_timeout: 44 };
    const host = await SmallHost.up({ vars });
    host.hypervisor.put(VM);
    await host.migrate(VM);
    expect(await host.service.migrations()).toMatchObject([
      {
        downtimeOwner: "steps",
        parameters: { maxBandwidth: 33, migrationProgressTimeout: 44, stallingLimit: 0 },
      },
    ]);
  });

  it("compressed and autoConverge are in the call, and off by default", async () => {
    const host = await SmallHost.up();
    for (const on of [false, true]) {
      host.hypervisor.put(VM);
      await host.migrate(VM, on ? { compressed: true, autoConverge: true } : {});
      await host.until(() => host.hypervisor.out.has(VM) || undefined, "the call");
      expect(host.hypervisor.calls.get(VM)).toMatchObject({ compressed: on, autoConverge: on });
      await host.service.cancel(VM, "a test");
    }
  });

  it("the destination is asked by Host.getStats, and its number counts", async () => {
    const asked: string[] = [];
    const host = await SmallHost.up({
      vars: { migration_max_bandwidth: 40 },
      destination: (method) => {
        asked.push(method);
        const counts = { incomingVmMigrations: 3, outgoingVmMigrations: 1 };
        return method === "Host.getStats" ? { kind: "result", result: counts } : WELCOMING(method);
      },
    });
    host.hypervisor.put(VM);
    await host.migrate(VM);
    await host.until(() => host.hypervisor.out.has(VM) || undefined, "the call");
    expect(asked).toContain("Host.getStats");
    expect(host.hypervisor.calls.get(VM)).toMatchObject({ bandwidthMiBps: 10 });
  });
});
