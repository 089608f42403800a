/**
 * The lab that a test file runs on: one of those that global-setup.ts has brought up, and no other
 * file uses it meanwhile. The next file gets it as this one leaves it, so empty.
 */
import { inject } from "vitest";
import type { LabHandle } from "./api.ts";
import { attachLab } from "./lab.ts";

export function sharedLab(): LabHandle {
  // vitest counts the files that run at a time from 1.
  const place = Number(process.env["VITEST_POOL_ID"]);
  const coordinates = inject("labs")[place - 1];
  if (coordinates === undefined) throw new Error(`no lab for the test files in place ${place}`);
  return attachLab(coordinates);
}
