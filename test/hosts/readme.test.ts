/**
 * The README's first migration, the making of certificates and a hibernation, run as they stand in the
 * text: on host-a, on both hosts, and the daemon in a terminal of its own.
 */
import { mkdirSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { page, ROOT, runnableBlocks } from "../docs/markdown.ts";
import type { Host, LabProcess } from "../lab/api.ts";
import { Lab } from "../lab/lab.ts";
import { expectRunsOn } from "./pair.ts";

const SECURITY = "src/docs/security.md";
const HIBERNATION = "src/docs/hibernation.md";
let lab: Lab;

beforeAll(async () => {
  lab = await Lab.up({ tls: true });
});
afterAll(() => lab.down());

/** The scripts of the page that are to be run there, in order. */
function scripts(name: string, where: string): readonly string[] {
  return runnableBlocks(page(name).text)
    .filter((block) => block.where === where)
    .map(({ script }) => script);
}

const withNode = (host: Host): Readonly<Record<string, string>> => ({
  PATH: `${path.dirname(host.nodePath)}:${process.env["PATH"] ?? ""}`,
});

/** In one shell, which ends at the first command that fails. */
function run(host: Host, folder: string, script: readonly string[]): Promise<string> {
  const input = [`cd ${folder}`, ...script].join("\n");
  return host.exec("bash", ["-eu", "-o", "pipefail", "-s"], { input, env: withNode(host) });
}

async function startAsShown(host: Host): Promise<LabProcess> {
  const [script = ""] = scripts("README.md", "both, as the daemon");
  const options = { cwd: ROOT, env: withNode(host), logName: "readme-daemon" };
  const daemon = await host.spawn("bash", ["-euc", script], options);
  await daemon.waitForLog(/"msg":"ready"/);
  return daemon;
}

it("certificates, the first migration and a hibernation work as written", async () => {
  const folder = path.join(lab.a.folder, "a-safe-place");
  mkdirSync(folder);
  await run(lab.a, folder, scripts(SECURITY, "host-a"));
  for (const host of lab.hosts) {
    await run(host, path.join(folder, "certificates"), scripts(SECURITY, "both"));
    await host.stopLibvirtd();
    await host.startLibvirtd();
  }

  const vm1 = await lab.a.startGuest({ name: "vm1", persistent: true });
  for (const host of lab.hosts) await run(host, ROOT, scripts("README.md", "both"));
  const daemons = [await startAsShown(lab.a), await startAsShown(lab.b)];
  const told = await run(lab.a, ROOT, scripts("README.md", "host-a"));

  expect(told).not.toMatch(/"error":|"ok": false/);
  expect(told).toMatch(/"outcome": "completed"/);
  expect(told).toMatch(/"confirmed": true/);
  expect(told).toMatch(/"rule": "outcome"/);
  await expectRunsOn(vm1, lab.b);

  // The README's `rpc` and `VM`, which the guide takes for granted.
  const [rpc = ""] = scripts("README.md", "host-a").flatMap(
    (script) => /^rpc\(\)[^]*?^\}$/m.exec(script) ?? [],
  );
  const [save = "", wake = ""] = scripts(HIBERNATION, "the VM's host");
  const saved = 'until virsh domstate $VM | grep -q "shut off"; do sleep 0.1; done';
  await run(lab.b, ROOT, [rpc, "VM=$(virsh domuuid vm1)", save, saved, wake]);
  await expectRunsOn(vm1, lab.b);
  for (const daemon of daemons) expect(await daemon.stop()).toMatchObject({ code: 0 });
});
