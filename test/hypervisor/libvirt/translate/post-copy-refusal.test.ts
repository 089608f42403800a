/** Which failures of a start are refusals of post-copy: texts as libvirt and QEMU write them. */
import { describe, expect, it } from "vitest";
import { refusesPostCopy } from "../../../../src/hypervisor/libvirt/translate/post-copy-refusal.ts";

const QEMU = "internal error: unable to execute QEMU command";

const REFUSALS: readonly (readonly [number, string])[] = [
  [1, `${QEMU} 'migrate-set-capabilities': Postcopy is not supported`],
  [
    1,
    `${QEMU} 'migrate-set-capabilities': Postcopy is not supported: Userfaultfd not available: Operation not permitted`,
  ],
  [1, `${QEMU} 'migrate-set-capabilities': Postcopy is not yet compatible with multifd`],
  [1, `${QEMU} 'migrate-set-capabilities': Userfault on this host does not support huge pages`],
  [1, `${QEMU} 'migrate': 0000:01:00.0: VFIO migration is not supported with postcopy migration`],
  [
    1,
    "Interner Fehler: QEMU-Befehl „migrate-set-capabilities“ kann nicht ausgeführt werden: Postcopy is not supported",
  ],
  [1, "內部錯誤：無法執行 QEMU 指令“migrate-set-capabilities”：Postcopy is not supported"],
  [9, "operation failed: job 'migration out' failed: Unable to open return-path for postcopy"],
  [
    67,
    "unsupported configuration: Migration option 'postcopy-ram' is not supported by QEMU binary",
  ],
  [74, "argument unsupported: post-copy is not supported with tunnelled migration"],
  [
    74,
    "argument unsupported: post-copy migration is not supported with non-live or paused migration",
  ],
];

const OTHERS: readonly (readonly [number, string])[] = [
  [0, "post-copy: no connection"],
  [1, "internal error: process exited while connecting to monitor: Postcopy is not supported"],
  [
    1,
    "internal error: QEMU unexpectedly closed the monitor (vm='postcopy'): qemu-system-x86_64: -drive file=/images/post-copy.qcow2: Could not open",
  ],
  [1, `${QEMU} 'cont': Failed to get "write" lock on /images/postcopy.img`],
  [1, `${QEMU} 'migrate-incoming': Failed to bind socket: Address already in use`],
  [1, `${QEMU} 'migrate': State blocked by '/dev/postcopy'`],
  [1, "internal error: Unable to start the VNC server on 192.0.2.1"],
  [1, "internal error: Attempt to migrate guest to the same host"],
  [8, "invalid argument: unsupported flags (0x8000) in function qemuDomainMigratePrepare3Params"],
  [9, "operation failed: domain 'postcopy' already exists with uuid 1"],
  [9, "operation failed: domain post-copy-1 is already active"],
  [38, "Cannot check QEMU binary /usr/bin/post-copy: No such file or directory"],
  [38, "unable to connect to server at 'host-b:49152': Connection refused"],
  [39, "End of file while reading data: post-copy"],
  [42, "Domain not found: post-copy"],
  [55, "Requested operation is not valid: cannot abort migration in post-copy mode"],
  [67, "unsupported configuration: CPU features of the domain 'postcopy-1' are not there"],
  [67, "unsupported configuration: Migration option 'multifd' is not supported by QEMU binary"],
  [68, "Timed out during operation: cannot acquire state change lock (held by post-copy)"],
  [
    70,
    "Hook script execution failed: internal error: Child process (/etc/libvirt/hooks/qemu guest migrate begin -) unexpected exit status 1: Postcopy is not supported",
  ],
  [78, "operation aborted: job 'migration out' canceled by client, post-copy"],
  [90, "Hook script execution failed: post-copy is not supported"],
];

describe("a start that failed", () => {
  it.each(REFUSALS)("with %i, %s: refused for post-copy", (code, message) => {
    expect(refusesPostCopy({ code, message }, "guest-1")).toBe(true);
  });

  it.each(OTHERS)("with %i, %s: for another reason", (code, message) => {
    expect(refusesPostCopy({ code, message }, "post-copy-1")).toBe(false);
  });

  it("a VM's own name does not hide a true refusal", () => {
    const message = `${QEMU} 'migrate-set-capabilities': Postcopy is not supported`;
    expect(refusesPostCopy({ code: 1, message }, "my-postcopy-vm")).toBe(true);
  });
});
