/**
 * vitest's set-up for the project `hosts`: one lab for all of its tests, handed to them as plain
 * coordinates, since vitest runs each test file in a process of its own.
 * A test takes it by `attachLab(inject("lab"))`. `npm run matrix` names the roots in which the hosts
 * run (LAB_ROOTS); otherwise it is the machine's own.
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
