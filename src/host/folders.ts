/**
 * Making a folder with all that lead to it. Node's own recursive mkdir never returns where the parent
 * is there and mkdir says ENOENT all the same (below /proc, for one), and takes a whole core
 * meanwhile. What the folder is for is not known here.
 */
import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** Parents are made with the same mode. **Fails**: Error of the file system. */
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
    // Whatever mkdir said (EEXIST, EROFS, EACCES): it is there.
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) throw error;
  }
}
