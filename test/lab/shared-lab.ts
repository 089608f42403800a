/**
 * The lab that a test file runs on: one of those brought up by global-setup.ts, used by no other
 * file at the same time. Each file must leave it empty for the next.
 */
import { inject } from "vitest";
import type { LabHandle } from "./api.ts";
import { attachLab } from "./lab.ts";

export function sharedLab(): LabHandle {
  // vitest numbers the files that run at the same time from 1.
  const place = Number(process.env["VITEST_POOL_ID"]);
  const coordinates = inject("labs")[place - 1];
  if (coordinates === undefined) throw new Error(`no lab for the test files in worker ${place}`);
  return attachLab(coordinates);
}
