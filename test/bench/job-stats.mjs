/**
 * Job stats through the binding and through the adapter, one way in each process, as it was built:
 * `job-stats.mjs WAY URI SAMPLES UUID...` prints what job-stats.c does. Plain JavaScript, because it
 * measures what dist holds.
 */
import { JobSamples, open } from "libvirt";

const [way, uri, samplesText, ...uuids] = process.argv.slice(2);
const SAMPLES = Number(samplesText);
const LANES = 4;
const WAIT_MS = 10_000;
const WARM_UP_ROUNDS = 500;

/** One call after another on one connection. */
async function calls() {
  const connection = await open(uri);
  const domains = [];
  for (const uuid of uuids) domains.push(await connection.lookupByUuid(uuid));
  return async () => {
    for (const domain of domains) await domain.getJobStats();
  };
}

/** A look-up and a call for each sample, on a few connections at a time. */
async function lookups() {
  const connections = await Promise.all(Array.from({ length: LANES }, () => open(uri)));
  return async () => {
    const turns = uuids.values();
    const lane = async (connection) => {
      for (const uuid of turns) await (await connection.lookupByUuid(uuid)).getJobStats();
    };
    await Promise.all(connections.map(lane));
  };
}

/** A list worked off by lanes of the binding. */
async function lanes(count = LANES) {
  const connections = await Promise.all(Array.from({ length: count }, () => open(uri)));
  return async () => {
    const samples = new JobSamples(uuids);
    await Promise.all(connections.map((connection) => connection.sampleJobs(samples)));
    if (samples.take().length !== uuids.length) throw new Error("not every VM was sampled");
  };
}

/** A whole look of the adapter at these VMs, the list of domains and their states included. */
async function scan() {
  const [{ LibvirtHypervisor }, { systemClock }, { createLog }] = await Promise.all([
    import("../../dist/hypervisor/libvirt/hypervisor.js"),
    import("../../dist/clock.js"),
    import("../../dist/logger.js"),
  ]);
  const options = { uri, callTimeoutMs: () => WAIT_MS };
  const hypervisor = new LibvirtHypervisor(options, systemClock, createLog({ level: "error" }));
  const only = new Set(uuids);
  return async () => {
    const seen = await hypervisor.scan({ waitMs: WAIT_MS, first: only, only });
    const jobs = seen.kind === "ok" ? seen.value.map(({ job }) => job) : [];
    const sampled = jobs.filter(({ kind, stats }) => kind === "stats" && stats.type !== "none");
    if (sampled.length !== uuids.length) throw new Error(`${sampled.length} VMs were sampled`);
  };
}

const ways = { calls, lookups, lanes, lane: () => lanes(1), scan };
const once = await ways[way]();
const rounds = Math.ceil(SAMPLES / uuids.length);
// A daemon runs for weeks: what is measured is code that has been compiled.
for (let round = 0; round < Math.max(rounds / 10, WARM_UP_ROUNDS); round++) await once();
const cpu = process.cpuUsage();
const startedMs = performance.now();
for (let round = 0; round < rounds; round++) await once();
const { user, system } = process.cpuUsage(cpu);
const wallMs = performance.now() - startedMs;
process.stdout.write(
  `${JSON.stringify({ cpuMs: (user + system) / 1e3, wallMs, samples: rounds * uuids.length })}\n`,
);
process.exit(0);
