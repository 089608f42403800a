/**
 * Two projects. `unit`: whatever needs no hosts, in parallel. `hosts`: the folders named hosts, one
 * file after the other on one lab that global-setup.ts brings up once, after `unit`, so that
 * nothing competes with the guests for the machine's cores.
 */
import { defineConfig } from "vitest/config";

const HOST_TESTS = ["test/hosts/**/*.test.ts", "test/*/hosts/**/*.test.ts"];
/** By hand, on other Debians (`npm run matrix`): they take too long for each change. */
const MATRIX_TESTS = "test/matrix/hosts/**";
const inMatrix = process.env["LAB_ROOTS"] !== undefined;
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
          fileParallelism: false,
          testTimeout: HOST_TEST_DEADLINE_MS,
          hookTimeout: HOST_HOOK_DEADLINE_MS,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
