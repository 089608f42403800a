/** This daemon's version, as its package says it. */
import { readFileSync } from "node:fs";

/** **Fails**: never; "unknown" where the package's file is not beside the code. */
export function daemonVersion(): string {
  try {
    const read: unknown = JSON.parse(
      readFileSync(new URL("../package.json", import.meta.url), "utf8"),
    );
    const isPackage = typeof read === "object" && read !== null && "version" in read;
    return isPackage && typeof read.version === "string" ? read.version : "unknown";
  } catch {
    return "unknown";
  }
}
