/**
 * `npm test`: sets the machine up, runs all tests, and prints `N passed, N failed` alone on the
 * last line. Arguments are vitest filters (`npm test -- core`).
 *
 * Without root it says what root is needed for and runs the tests that need no hosts. With CI=true
 * nothing may be left out: missing root and skipped or todo tests count as failed. vitest runs in
 * this process, so that the lab ends with it, however it ends.
 */
import {
  CHECKOUT,
  ensureBuild,
  ensureNative,
  ensureNodeModules,
  ensureSystemPackages,
  isRoot,
  whatRootIsNeededFor,
} from "./lab/setup.mjs";

const inCi = process.env.CI === "true";

function say(line) {
  process.stdout.write(`${line}\n`);
}

/** Runs a setup step; resolves with 1 if it failed, which counts as a failed test. */
function failures(step) {
  try {
    step();
    return 0;
  } catch (error) {
    say(error.message);
    return 1;
  }
}

function finish(passed, failed) {
  say(`${passed} passed, ${failed} failed`);
  process.exit(failed > 0 || passed === 0 ? 1 : 0);
}

/** Counts tests; a suite that did not load or an error outside tests counts as a failed test. */
function count(vitest) {
  let passed = 0;
  let failed = vitest.state.getUnhandledErrors().length;
  for (const testModule of vitest.state.getTestModules()) {
    const broken = [testModule, ...testModule.children.allSuites()];
    failed += broken.filter((suite) => suite.errors().length > 0).length;
    for (const test of testModule.children.allTests()) {
      const { state } = test.result();
      if (state === "passed") passed++;
      else if (state === "failed" || state === "pending" || inCi) failed++;
    }
  }
  return { passed, failed };
}

async function main() {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.once(signal, () => process.exit(130));
  }
  const needed = whatRootIsNeededFor();
  let failedBefore = 0;
  if (needed !== undefined) {
    say(needed);
    if (inCi) failedBefore++;
  } else if (failures(ensureSystemPackages) > 0) finish(0, 1);
  if (failures(ensureNodeModules) > 0) finish(0, 1);
  failedBefore += failures(ensureNative);
  failedBefore += failures(ensureBuild);

  const { startVitest } = await import("vitest/node");
  process.chdir(CHECKOUT);
  // Host tests mostly wait, and leave the processors to the unit tests, which give way to them.
  const projects = isRoot() ? ["unit", "hosts"] : ["unit"];
  const runs = await Promise.all(
    projects.map((project) =>
      startVitest("test", process.argv.slice(2), {
        config: "test/vitest.config.ts",
        watch: false,
        passWithNoTests: true,
        reporters: ["default"],
        project: [project],
      }),
    ),
  );
  const counted = runs.map(count);
  await Promise.all(runs.map((vitest) => vitest.close()));
  const sum = (key) => counted.reduce((total, each) => total + each[key], 0);
  finish(sum("passed"), sum("failed") + failedBefore);
}

await main();
