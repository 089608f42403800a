/**
 * The rules that a decision may be named after, each with what its line tells: the words of
 * VM.explainMigration. What a line says in a given case is written where the decision is made.
 */

export const decisionRules = {
  accepted: "the request, as it was accepted",
  change: "a change that the engine asked for",
  cancel: "a cancel, who asked for it, and in which phase",
  reserved: "the destination has reserved a slot for the guest",
  start: "the call to libvirt: bandwidth, post-copy, and the counts behind the bandwidth",
  call: "how libvirt's call returned",
  record: "libvirt's record of the finished job: downtime, data sent",
  bandwidth: "a new cap, with both hosts' counts, maximum and floor",
  downtime:
    "a new maximum downtime, its owner and step; the value found before, and put back after",
  pass: "a pass that was judged: its size, and the size that it is compared with",
  stalling: "a stall event that was sent, or the end of a stall",
  stop: "the decision to end the migration, what it is based on, and what libvirt answered",
  postcopy: "the switch to post-copy, its pauses and resumes",
  pausedCopy: "the paused copy that post-copy leaves behind has been destroyed",
  location: "where the guest was found when that decided the outcome",
  guest: "the guest ended here, or libvirt says that the job has moved it away",
  outcome: "how the migration ended",
  image: "the image of a hibernation that failed has been removed",
  cleared: "nothing of the guest is left on this host",
  departure: "the VM that left is not reported as such any more: it came back, or was destroyed",
  restored: "a daemon found the migration in the journal; how long nobody was watching",
  adopted: "a migration that another party began is looked after from now on",
  phase: "each new phase",
  note: "what the log says of it",
} as const;

export type DecisionRule = keyof typeof decisionRules;
