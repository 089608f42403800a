/** Whether post-copy is possible for a migration, and the reason that is shown if it is not. */
import { expect, it } from "vitest";
import {
  PAUSED_GUEST,
  type PostCopyRequest,
  postCopyUnavailable,
  unavailableAs,
} from "../../src/core/post-copy-availability.ts";
import type { RunState } from "../../src/core/run-state.ts";

const REMOTE: PostCopyRequest = { mode: "remote", tunneled: false };

it.each<[string, PostCopyRequest, RunState, boolean, RegExp | null]>([
  ["possible", REMOTE, "running", true, null],
  ["a save", { ...REMOTE, mode: "file" }, "running", true, /saved to a file/],
  ["switched off", REMOTE, "running", false, /migration_allow_postcopy/],
  ["parallel", { ...REMOTE, parallel: 1 }, "running", true, /parallel/],
  ["tunneled", { ...REMOTE, tunneled: true }, "running", true, /tunnel/],
  ["suspended", REMOTE, "suspended", true, /paused/],
])("%s", (_name, request, runState, allowed, expected) => {
  const reason = postCopyUnavailable(request, runState, allowed);
  if (expected === null) expect(reason).toBeNull();
  else expect(reason).toMatch(expected);
});

it.each<[string | null, RunState, string | null]>([
  [null, "suspended", PAUSED_GUEST],
  [PAUSED_GUEST, "suspended", PAUSED_GUEST],
  [PAUSED_GUEST, "running", null],
  ["other", "suspended", "other"],
  ["other", "running", "other"],
])("with %s before, seen %s: %s", (before, runState, expected) => {
  expect(unavailableAs(before, runState)).toBe(expected);
});
