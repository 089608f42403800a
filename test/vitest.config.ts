/**
 * Two projects, which run.mjs runs side by side. `unit`: whatever needs no hosts, in parallel. `hosts`:
 * the folders named hosts, one file at a time on one lab, which global-setup.ts brings up once.
 */
import { defineConfig } from "vitest/config";

const HOST_TESTS = ["test/**/hosts/**/*.test.ts"];
/** Most of a test's time that is not waiting for a process is its imports: files share them. */
const UNIT_WORKERS = 3;
/** By hand, on other Debians (`npm run matrix`): they take too long for each change. */
const MATRIX_TESTS = "test/matrix/hosts/**";
const inMatrix = process.env["LAB_ROOTS"] !== undefined;
const HOST_FILES_AT_A_TIME = 1;
/** Some start whole processes, which takes seconds on a busy machine. */
const UNIT_TEST_DEADLINE_MS = 30_000;
const HOST_TEST_DEADLINE_MS = 180_000;
const HOST_HOOK_DEADLINE_MS = 60_000;

export default defineConfig({
  root: new URL("..", import.meta.url).pathname,
  cacheDir: "test/.build/vite",
  test: {
    pool: "forks",
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: [...HOST_TESTS, "test/.build/**"],
          setupFiles: ["test/lab/give-way.ts"],
          isolate: false,
          maxWorkers: UNIT_WORKERS,
          testTimeout: UNIT_TEST_DEADLINE_MS,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "hosts",
          include: HOST_TESTS,
          exclude: inMatrix ? [] : [MATRIX_TESTS],
          globalSetup: ["test/lab/global-setup.ts"],
          setupFiles: ["test/lab/each-file.ts"],
          maxWorkers: HOST_FILES_AT_A_TIME,
          testTimeout: HOST_TEST_DEADLINE_MS,
          hookTimeout: HOST_HOOK_DEADLINE_MS,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
