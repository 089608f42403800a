/** What a caller hands in wrongly is named before it reaches libvirt. All on libvirt's test driver. */
import { type Connection, type Domain, LibvirtError, open } from "libvirt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

let connection: Connection;
let domain: Domain;

beforeAll(async () => {
  connection = await open("test:///default");
  domain = await connection.lookupByName("test");
});

afterAll(async () => connection.close());

/** The value as if its type were right: what a caller without TypeScript does. */
const untyped = (value: unknown): never => value as never;

describe("64-bit integers", () => {
  it.each([
    ["a negative number", -1, RangeError, "mibps must be 0 to 18446744073709551615, not -1"],
    ["a negative bigint", -1n, RangeError, "mibps must be 0 to 18446744073709551615, not -1"],
    ["one above the maximum", 2n ** 64n, RangeError, "not 18446744073709551616"],
    ["a fraction", 1.5, RangeError, "mibps must be an integer, not 1.5"],
    ["NaN", Number.NaN, RangeError, "mibps must be an integer, not NaN"],
    ["Infinity", Number.POSITIVE_INFINITY, RangeError, "mibps must be an integer, not Infinity"],
    ["a number that lost digits", 2 ** 53, RangeError, "mibps is not exact"],
    ["a string", untyped("8"), TypeError, 'mibps must be an integer, not "8" (string)'],
    ["nothing", untyped(undefined), TypeError, "mibps must be an integer, not undefined"],
  ])("%s is refused", async (_, value, kind, message) => {
    const refusal = domain.migrateSetMaxSpeed(value);
    await expect(refusal).rejects.toBeInstanceOf(kind);
    await expect(refusal).rejects.toThrow(message);
  });

  it.each([
    ["0", 0],
    ["the greatest exact number", Number.MAX_SAFE_INTEGER],
    ["the greatest of C", 2n ** 64n - 1n],
  ])("%s reaches libvirt", async (_, value) => {
    // The test driver has no migrations: its refusal shows that the value came so far.
    await expect(domain.migrateSetMaxSpeed(value)).rejects.toBeInstanceOf(LibvirtError);
  });

  it("come back as bigint where a number is not exact", async () => {
    const { cpuTimeNs, memoryKiB } = await domain.getInfo();
    // The test driver's CPU time is the time of day in ns, about 2^60.
    expect(typeof cpuTimeNs).toBe("bigint");
    expect(cpuTimeNs).toBeGreaterThan(Number.MAX_SAFE_INTEGER);
    expect(memoryKiB).toBe(2 * 1024 * 1024);
  });
});

describe("flags and strings", () => {
  it.each([
    [-1, "flags must be 0 to 4294967295, not -1"],
    [2 ** 32, "flags must be 0 to 4294967295, not 4294967296"],
    [0.5, "flags must be an integer, not 0.5"],
  ])("flags of %d are refused", async (flags, message) => {
    await expect(domain.getXml(flags)).rejects.toThrow(message);
    await expect(connection.listDomains(flags)).rejects.toThrow(message);
  });

  it("a NUL character is refused, behind which C would not see the rest", async () => {
    await expect(connection.lookupByName("test\0x")).rejects.toThrow(
      "name contains a NUL character",
    );
    await expect(connection.defineXml("<domain/>\0")).rejects.toThrow(
      "xml contains a NUL character",
    );
  });

  it("another type is refused", async () => {
    await expect(connection.lookupByName(untyped(7))).rejects.toThrow(
      "name must be a string, not 7 (number)",
    );
    await expect(open(untyped(null))).rejects.toThrow(TypeError);
    await expect(domain.save("/x", { xml: untyped(1) })).rejects.toThrow("xml must be a string");
    await expect(connection.onDomainEvent(untyped("reboot"), () => {})).rejects.toThrow(
      "kind must be one of lifecycle, jobCompleted, migrationIteration, not reboot",
    );
    await expect(connection.onDomainEvent("lifecycle", untyped(1))).rejects.toThrow(TypeError);
  });
});

describe("typed parameters", () => {
  const migrate = (params: object): Promise<void> =>
    domain.migrateToUri3("qemu+tcp://nowhere/system", untyped(params), 3);

  it.each([
    ["an unknown name", { bandwith: 3 }, TypeError, 'has no parameter "bandwith"'],
    ["a name of Object's own", { constructor: 3 }, TypeError, 'has no parameter "constructor"'],
    ["a number for a string", { migrate_uri: 1 }, TypeError, "migrate_uri must be a string"],
    ["a string for a number", { bandwidth: "8" }, TypeError, "bandwidth must be an integer"],
    ["a negative bandwidth", { bandwidth: -8 }, RangeError, "bandwidth must be 0 to"],
    ["an int too large", { disks_port: 2 ** 31 }, RangeError, "disks_port must be -2147483648 to"],
    ["no list", { migrate_disks: "vda" }, TypeError, "migrate_disks must be a list of strings"],
    ["a wrong item", { migrate_disks: ["vda", 1] }, TypeError, "migrate_disks[1] must be a string"],
  ])("%s is refused", async (_, params, kind, message) => {
    const refusal = migrate(params);
    await expect(refusal).rejects.toBeInstanceOf(kind);
    await expect(refusal).rejects.toThrow(message);
  });

  it("undefined is left out, a list and every type reach libvirt", async () => {
    const refusal = migrate({
      migrate_uri: undefined,
      bandwidth: 8,
      "bandwidth.postcopy": 2n ** 63n,
      disks_port: -1,
      migrate_disks: ["vda", "vdb"],
    });
    await expect(refusal).rejects.toBeInstanceOf(LibvirtError);
  });
});
