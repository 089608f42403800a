/**
 * What the README says of phases, reasons, places and limits, which the code only names. A name
 * without a text here shows as such in its table, and the test fails; a text without its name is
 * not shown.
 */

/** The cells beside the name. */
export type Texts = Readonly<Record<string, readonly string[]>>;

/** What happens, whether the stall clock runs, what a cancel comes to. */
export const phases: Texts = {
  queued: [
    "accepted, waits for a slot, here or on the destination",
    "none",
    "cancelled as soon as libvirt says where the VM is",
  ],
  preparing: [
    "has a slot; the destination is asked, the first downtime is set",
    "none",
    "cancelled before libvirt is called",
  ],
  starting: [
    "the call to libvirt is out, no byte has been sent",
    "since the call",
    "kept, and repeated until libvirt takes it",
  ],
  running: ["data flow", "since the last advance", "libvirt aborts the job"],
  postCopy: [
    "the guest runs on the destination, pages follow",
    "since the last byte; nothing aborts",
    "47: it would lose the guest",
  ],
  settling: [
    "libvirt's call has returned; where the guest is is being asked",
    "none",
    "joins what comes out",
  ],
  ended: ["has an outcome; kept for an hour, at most 200", "none", "47, with the reason"],
};

/** Shown in the place of preparing, starting or running while a stop is pursued. */
export const stoppingPhases: Texts = {
  cancelling: ["a cancel was asked for and libvirt's job has not ended", "stopped", "joins it"],
  aborting: [
    "the hard limit or the engine's schedule ends it, and libvirt's job has not ended",
    "stopped",
    "waits for what comes out",
  ],
};

export const outcomes: Texts = {
  arrived: ["completed", "0", "the guest is active on the destination"],
  saved: ["completed", "0", "the guest is in its image (mode file)"],
  cancelTooLate: ["completed", "0", "a cancel was asked for, and the guest had arrived by then"],
  abortTooLate: [
    "completed",
    "0",
    "the hard limit was reached, and the guest had arrived all the same",
  ],
  cancelled: ["cancelled", "47", "by `VM.migrateCancel`; the guest is active on the source"],
  byOther: ["cancelled", "47", "by somebody else (`virsh domjobabort`); active on the source"],
  progressTimeout: [
    "failed",
    "12",
    "no advance for `migrationProgressTimeout`: the host aborted it; active on the source",
  ],
  noSlot: [
    "failed",
    "82",
    "the destination had no slot for it, or did not say, for `vars.migration_admission_timeout`; active on the source",
  ],
  leftByOther: [
    "failed",
    "12",
    "somebody else migrated the VM while it waited; `where` is `destination` if it went there, else `unknown`",
  ],
  noDestination: [
    "failed",
    "10",
    "no daemon can be asked there, and waiting would not help: the message says why, see [A destination that does not answer](#a-destination-that-does-not-answer); active on the source",
  ],
  scheduleAbort: [
    "failed",
    "12",
    "the engine's convergenceSchedule came to its abort; active on the source",
  ],
  libvirt: [
    "failed",
    "12 or 102",
    "libvirt gave up or refused the start; the message has its words. 102: libvirt's code 9 (operation failed)",
  ],
  guestLost: [
    "failed",
    "12",
    "the guest is on neither host and nothing says why. Look at QEMU's logs on both before you start it anew",
  ],
  guestStopped: [
    "failed",
    "12",
    "the guest shut down, or somebody destroyed, saved or reverted it to a snapshot, while it migrated: it runs nowhere",
  ],
  guestCrashed: [
    "failed",
    "12",
    "the guest crashed, or its QEMU died or was lost to libvirtd, while it migrated: it runs nowhere",
  ],
  runsTwice: [
    "failed",
    "12",
    "libvirt was killed over the last step and started the guest on both hosts. Stop one of them at once; the daemon destroys neither",
  ],
  hostRestarted: [
    "failed",
    "12",
    "this host was restarted with the migration under way and the guest had not arrived; the message says where it is",
  ],
  unknown: [
    "failed",
    "12",
    "two things, and `where` says which. source: it ended while the daemon was down, and libvirt keeps no record of why. unknown: gone from the source, and nobody on the destination answered for 60 s (600 s for a post-copy that stands still), or it is on neither host and nobody watched; look there before you start it anew, it may run. Asked on; a late answer corrects the record",
  ],
};

/** Good, and what else it may be. */
export const checks: Texts = {
  vm: ["the VM's state lets it go", "false: it does not, see [States](#states)"],
  job: [
    "libvirt has no job on it",
    "false: it has, or the VM is migrating; null: libvirt does not answer for it",
  ],
  outgoingSlot: ["a slot is free on this host", "false: it would wait"],
  resolve: [
    "the name of `dst` resolves; its addresses",
    "false: it does not exist, or is this host; null: no resolver answers",
  ],
  migrationAddress: [
    "`dstqemu`, or the host of `dst`, answers a TCP connect",
    "false: no answer within 2 s",
  ],
  daemon: ["the destination's daemon answers", "false: why not, in words"],
  version: ["its version", "null: it does not say, as a stock VDSM"],
  incomingSlot: ["a slot is free there", "false: it would wait; null: it does not say"],
  absentThere: ["no VM of that id is there", "false: one is"],
  certificates: [
    "both hosts' certificates are good, and until when; or TLS is off",
    "false: what is wrong with this host's files, or which one is refused; null: the destination's was not seen",
  ],
  libvirt: [
    "this host reaches the destination's libvirt at `libvirt.destination_uri`; its versions",
    "false: libvirt's words",
  ],
  cpu: [
    "the guest's CPU can be had there; how the hosts' CPUs compare",
    "false: what is missing there; null: libvirt does not compare it, or the guest has the host's own CPU and they differ",
  ],
  disks: [
    "no disk is on a file system of this host alone, by libvirt's rule of safety",
    "false: which one is, libvirt refuses the start; null: it cannot be told",
  ],
  hostDevices: ["none", "null: QEMU says at the start whether it can move them"],
  postCopy: ["possible, if QEMU on both hosts can", "false: why not"],
  bandwidth: ["the cap that it would get now, in MiB/s", ""],
};

export const places: Texts = {
  source: ["it never left"],
  destination: ["it arrived"],
  image: ["saved; it runs nowhere"],
  nowhere: ["on neither host"],
  unknown: ["the destination does not say"],
};

export const stallReasons: Texts = {
  notStarted: [
    "libvirt has not sent a byte yet",
    "Does the destination's libvirt answer? Is `dstqemu` reachable from here?",
  ],
  noStats: [
    "libvirt did not answer for this VM in the last cycle",
    "Is its QEMU stopped or its storage hung? `virsh domjobinfo` hangs too then.",
  ],
  noData: [
    "bytes stand still for half a second or longer",
    "Look at the migration network and at the destination's QEMU.",
  ],
  throttled: [
    "passes do not shrink, the rate is at least 90 % of the cap, and the cap is below maxBandwidth",
    "Sharing or a silent destination holds it back: raise `maxBandwidth`, run fewer at once, or see why the destination's daemon is silent.",
  ],
  notConverging: [
    "passes do not shrink: the guest dirties memory as fast as it is sent",
    "More `downtime`, more `maxBandwidth`, or `migrationTechnique` post-copy. At the next start: `autoConverge`.",
  ],
  postcopyStalled: [
    "in post-copy, and no byte arrives",
    "Mend the network. Do not cancel and do not stop either QEMU: the guest's memory is on both hosts.",
  ],
};

export const limits: Texts = {
  messageBytes: ["bytes of a request body, WebSocket message or STOMP body; a batch is one (413)"],
  "stomp.definitionBytes": [
    "bytes of a STOMP body with a domain's definition, of roles control and peer, announced by content-length (ERROR)",
  ],
  "stomp.definitionBytesTotal": [
    "bytes of STOMP bodies beyond messageBytes in hand at a time, of all clients together; the next waits, stomp.frameMs at the most (ERROR)",
  ],
  batchLength: ["requests in a batch (-32600)"],
  batchReplyBytes: ["bytes of a batch's replies together; those beyond are errors (1100)"],
  inFlightPerClient: ["requests being answered, of one connection (1100)"],
  inFlightTotal: ["requests being answered, of all (1100)"],
  inFlightReadOnly: ["of these, requests of clients that may only read (1100)"],
  connections: [
    "open connections, on TCP and on `rpc.sock` each; beyond, the oldest that is not established is ended",
  ],
  connectionsReadOnly: ["the same on `rpc-ro.sock`"],
  connectionsPerAddress: ["the same of one TCP address"],
  webSocketFragments: ["frames of a WebSocket message"],
  webSocketPieces: ["pieces of it in which the network brings them"],
  pipelined: ["requests of an HTTP connection whose replies are not out; beyond, it is ended"],
  handshakeMs: ["ms for the TLS handshake, then for the first byte"],
  headersMs: ["ms for a request's headers"],
  bodyMs: ["ms for a request's body (408)"],
  idleMs: ["ms that a connection may be idle; a WebSocket is pinged as often"],
  unreadBytes: ["bytes that a client of events may leave unread before it is dropped"],
  unreadBytesReadOnly: ["the same for a client that may only read"],
  logIntervalMs: [
    "ms between two lines of the log with the same complaint about the same client; in between they are counted",
  ],
  closeGraceMs: ["ms that replies in the making get when the daemon stops"],
  "stomp.lineBytes": ["bytes of a command or header line"],
  "stomp.headerCount": ["headers of a frame"],
  "stomp.subscriptions": ["subscriptions of a connection"],
  "stomp.idBytes": ["bytes of a subscription's or receipt's id"],
  "stomp.destinationBytes": ["bytes of a destination"],
  "stomp.frameGapMs": [
    "ms between two frames to vdsm-jsonrpc-java, which reads one at a turn; others have none",
  ],
  "stomp.connectMs": ["ms from the first byte to CONNECT"],
  "stomp.frameMs": ["ms from a frame's first byte to its last"],
  "stomp.largeGraceMs": [
    "ms without a byte of a body beyond messageBytes, or too slow for stomp.frameMs, while others wait for its room (ERROR)",
  ],
  "stomp.tickMs": ["ms between two looks at heart-beats and deadlines"],
  "stomp.lingerMs": ["ms that an ended connection is still read from"],
  "events.count": ["events kept for those who missed them"],
  "events.bytes": ["bytes of them"],
  "resends.rememberMs": ["ms that an answered request is remembered, in case it is sent again"],
  "resends.clients": ["clients of which requests are remembered"],
  "resends.requestsPerClient": ["requests remembered of one"],
  "resends.bytesPerClient": ["bytes of their replies"],
  "resends.replyBytes": ["bytes of a reply; a longer one is not remembered"],
};
