/**
 * vitest's set-up for the project `hosts`: one lab for all of its tests, handed to them as plain
 * coordinates, since vitest runs each test file in a process of its own.
 * A test takes it by `attachLab(inject("lab"))`.
 */
import type { TestProject } from "vitest/node";
import type { LabCoordinates } from "./api.ts";
import { Lab } from "./lab.ts";

declare module "vitest" {
  // Declaration merging works on interfaces only.
  export interface ProvidedContext {
    lab: LabCoordinates;
  }
}

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const lab = await Lab.up();
  project.provide("lab", lab.coordinates);
  return () => lab.down();
}
