/**
 * vitest's setup for the project `hosts`: brings up the lab and passes its coordinates to the test
 * files, because vitest runs each file in its own process (shared-lab.ts). `npm run matrix` sets the
 * root file systems of the hosts (LAB_ROOTS); without it they use the machine's own.
 */
import type { TestProject } from "vitest/node";
import type { HostRoot, LabCoordinates } from "./api.ts";
import { Lab } from "./lab.ts";

declare module "vitest" {
  // Declaration merging works on interfaces only.
  export interface ProvidedContext {
    lab: LabCoordinates;
  }
}

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const named = process.env["LAB_ROOTS"];
  const roots = named === undefined ? [] : (JSON.parse(named) as (HostRoot | null)[]);
  const lab = await Lab.up({ roots });
  project.provide("lab", lab.coordinates);
  return () => lab.down();
}
