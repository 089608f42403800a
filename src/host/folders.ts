/**
 * Creates a folder and its missing parents. Node's recursive mkdir loops forever, at full CPU, where
 * the parent exists and mkdir still fails with ENOENT (for example below /proc). Does not know what
 * the folder is for.
 */
import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** Parents get the same mode. **Fails**: the file system's Error. */
export function makeFolder(folder: string, mode: number): void {
  try {
    makeOne(folder, mode);
  } catch (error) {
    const isParentMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (!isParentMissing || dirname(folder) === folder) throw error;
    makeFolder(dirname(folder), mode);
    makeOne(folder, mode);
  }
}

function makeOne(folder: string, mode: number): void {
  try {
    mkdirSync(folder, { mode });
  } catch (error) {
    // Whatever mkdir reported (EEXIST, EROFS, EACCES): the folder exists.
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) throw error;
  }
}
