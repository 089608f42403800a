/** The port's contract for what a save or a migration leaves behind. */
import { existsSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { begin, callTo, expectOk, FAST_MIBPS, NOBODY, refusalOf, type Stage } from "./stage.ts";

export function saves(stage: () => Stage): void {
  it("leaves an image that is complete, and no guest", async () => {
    const { a } = stage();
    const vmId = await stage().startGuest("quiet");
    const { path, seen } = stage().image();
    expectOk(await a.save(vmId, path));
    const magic = a.completeImageMagic;
    expect(readFileSync(seen, "latin1").slice(0, magic.length)).toBe(magic);
    expect(refusalOf(await a.runState(vmId))).toBe("noVm");
  });

  it("of a persistent VM leaves its definition, which says so", async () => {
    const vmId = await stage().startGuest("quiet", true);
    expectOk(await stage().a.save(vmId, stage().image().path));
    expect(expectOk(await stage().a.runState(vmId))).toBe("offSaved");
  });

  it("of nobody writes over nothing", async () => {
    const { path, seen } = stage().image();
    expect(refusalOf(await stage().a.save(NOBODY, path))).toBe("noVm");
    expect(existsSync(seen)).toBe(false);
  });
}

export function leftovers(stage: () => Stage): void {
  it("is a definition, where it was not to be removed; it is removed once", async () => {
    const { a } = stage();
    const vmId = await stage().startGuest("quiet", true);
    expectOk(await begin(stage(), vmId, callTo(stage(), { bandwidthMiBps: FAST_MIBPS })));
    expect(expectOk(await a.runState(vmId))).toBe("offMigrated");
    expect(expectOk(await a.undefineMigrated(vmId, true))).toBe(true);
    expect(refusalOf(await a.undefineMigrated(vmId, true))).toBe("noVm");
  });

  it("is nothing where the definition moved along", async () => {
    const { a, b } = stage();
    const vmId = await stage().startGuest("quiet", true);
    const call = callTo(stage(), { bandwidthMiBps: FAST_MIBPS, persistent: true });
    expectOk(await begin(stage(), vmId, call));
    expect(refusalOf(await a.runState(vmId))).toBe("noVm");
    expect(expectOk(await b.vmDetails(vmId)).persistent).toBe(true);
  });
}
