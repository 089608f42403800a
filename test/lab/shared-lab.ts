/**
 * The lab that every host test file runs on, brought up once by global-setup.ts. One file uses it at
 * a time; each-file.ts checks that the file leaves nothing running for the next one.
 */
import { inject } from "vitest";
import type { LabHandle } from "./api.ts";
import { attachLab } from "./lab.ts";

export function sharedLab(): LabHandle {
  return attachLab(inject("lab"));
}
