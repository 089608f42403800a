/**
 * vitest's setup for the project `hosts`: as many labs as test files run at a time, passed to the
 * tests as coordinates, because vitest runs each file in its own process (shared-lab.ts).
 * `npm run matrix` sets the root file systems of the hosts (LAB_ROOTS); without it they use the
 * machine's own.
 */
import type { TestProject } from "vitest/node";
import type { HostRoot, LabCoordinates } from "./api.ts";
import { Lab } from "./lab.ts";

declare module "vitest" {
  // Declaration merging works on interfaces only.
  export interface ProvidedContext {
    labs: readonly LabCoordinates[];
  }
}

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const named = process.env["LAB_ROOTS"];
  const roots = named === undefined ? [] : (JSON.parse(named) as (HostRoot | null)[]);
  const count = Number(project.config.maxWorkers);
  const labs = await Promise.all(Array.from({ length: count }, () => Lab.up({ roots })));
  project.provide(
    "labs",
    labs.map((lab) => lab.coordinates),
  );
  return async () => {
    await Promise.all(labs.map((lab) => lab.down()));
  };
}
