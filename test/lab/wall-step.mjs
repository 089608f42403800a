/**
 * Loaded before the daemon's own code (`node --import`): each SIGUSR2 moves the daemon's wall clock
 * forward by two hours, as if somebody had changed the host's. The daemon does not know about it.
 */
const STEP_MS = 7_200_000;
const now = Date.now;
let stepMs = 0;

Date.now = () => now() + stepMs;
process.on("SIGUSR2", () => {
  stepMs += STEP_MS;
});
