/**
 * libvirt's typed parameters: the names that migrateToUri3, saveParams and restoreParams know, the C
 * type of each, and the encoding of a plain object. A name that is not in the table is rejected here,
 * because libvirt's own error ("parameter not supported") comes late. Whether the libvirt in use
 * supports a newer name is for libvirt to say.
 *
 * Source: <libvirt/libvirt-domain.h>, VIR_MIGRATE_PARAM_* and VIR_DOMAIN_SAVE_PARAM_*.
 */
import type { NativeParam } from "./abi.ts";
import { checkInt32, checkInteger, checkString, type Int64 } from "./arguments.ts";

type ParamType =
  | "string"
  | "stringList"
  | "int"
  | "uint"
  | "llong"
  | "ullong"
  | "double"
  | "boolean";

interface ValueTypes {
  string: string;
  stringList: readonly string[];
  int: number;
  uint: number;
  llong: Int64;
  ullong: Int64;
  double: number;
  boolean: boolean;
}

/** Parameters of virDomainMigrateToURI3. Bandwidths are MiB/s, ports and levels plain numbers. */
export const migrateParams = {
  /** Where the data go, e.g. `tcp://10.0.0.2`. Since 1.1.0. */
  migrate_uri: "string",
  /** Since 1.1.0. */
  destination_name: "string",
  /** Since 1.1.0. */
  destination_xml: "string",
  /** Since 1.3.4. */
  persistent_xml: "string",
  /** MiB/s; 0 lets libvirt choose. Since 1.1.0. */
  bandwidth: "ullong",
  /** MiB/s; 0 is no limit. Since 5.1.0. */
  "bandwidth.postcopy": "ullong",
  /** Since 11.1.0. */
  "bandwidth.avail.switchover": "ullong",
  /** Since 1.1.0. */
  graphics_uri: "string",
  /** Since 1.1.4. */
  listen_address: "string",
  /** Targets of the disks to copy, e.g. `["vda", "vdb"]`. Since 1.2.17. */
  migrate_disks: "stringList",
  /** Since 10.9.0. */
  migrate_disks_detect_zeroes: "stringList",
  /** Since 1.3.3. */
  disks_port: "int",
  /** Since 6.8.0. */
  disks_uri: "string",
  /** Methods: `xbzrle`, `mt`, `zlib`, `zstd`. Since 1.3.4. */
  compression: "stringList",
  /** Since 1.3.4. */
  "compression.mt.level": "int",
  /** Since 1.3.4. */
  "compression.mt.threads": "int",
  /** Since 1.3.4. */
  "compression.mt.dthreads": "int",
  /** Bytes. Since 1.3.4. */
  "compression.xbzrle.cache": "ullong",
  /** Since 9.4.0. */
  "compression.zlib.level": "int",
  /** Since 9.4.0. */
  "compression.zstd.level": "int",
  /** Percent. Since 2.0.0. */
  "auto_converge.initial": "int",
  /** Percent. Since 2.0.0. */
  "auto_converge.increment": "int",
  /** Since 5.2.0. */
  "parallel.connections": "int",
  /** The name that the destination's certificate must have. Since 6.0.0. */
  "tls.destination": "string",
} as const satisfies Record<string, ParamType>;

/** Parameters of virDomainSaveParams and virDomainRestoreParams. */
export const saveParams = {
  /** The path of the image. Since 8.4.0. */
  file: "string",
  /** The domain's XML for the image. Since 8.4.0. */
  dxml: "string",
  /** Since 11.2.0. */
  image_format: "string",
  /** Since 11.2.0. */
  "parallel.channels": "int",
} as const satisfies Record<string, ParamType>;

type ParamsOf<Table extends Record<string, ParamType>> = {
  readonly [Name in keyof Table]?: ValueTypes[Table[Name]] | undefined;
};

export type MigrateParams = ParamsOf<typeof migrateParams>;
export type SaveParams = ParamsOf<typeof saveParams>;

function encodeOne(name: string, type: ParamType, value: unknown): NativeParam[] {
  switch (type) {
    case "string":
      return [[name, "string", checkString(name, value)]];
    case "stringList":
      if (!Array.isArray(value)) throw new TypeError(`${name} must be a list of strings`);
      return value.map((item: unknown, index) => [
        name,
        "string",
        checkString(`${name}[${index}]`, item),
      ]);
    case "int":
    case "uint":
      return [[name, type, checkInt32(name, value, type)]];
    case "llong":
    case "ullong":
      return [[name, type, checkInteger(name, value, type)]];
    case "double":
      if (typeof value !== "number") throw new TypeError(`${name} must be a number`);
      return [[name, "double", value]];
    case "boolean":
      if (typeof value !== "boolean") throw new TypeError(`${name} must be true or false`);
      return [[name, "boolean", value]];
  }
}

/**
 * The object as libvirt's parameters, in the object's order; undefined values are left out.
 * Fails: TypeError for an unknown name (listing the known ones) or a wrong type, RangeError for a
 * number that does not fit its C type.
 */
export function encodeParams(
  what: string,
  table: Readonly<Record<string, ParamType>>,
  params: Readonly<Record<string, unknown>>,
): NativeParam[] {
  const encoded: NativeParam[] = [];
  for (const [name, value] of Object.entries(params)) {
    const type = Object.hasOwn(table, name) ? table[name] : undefined;
    if (type === undefined) {
      const known = Object.keys(table).join(", ");
      throw new TypeError(`${what} has no parameter ${JSON.stringify(name)}; it has ${known}`);
    }
    if (value !== undefined) encoded.push(...encodeOne(name, type, value));
  }
  return encoded;
}
