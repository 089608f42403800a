/**
 * The two files of a hibernation: the image that libvirt writes and the parameters that we write
 * beside it. Both must lie below the configured folder, be reached without a symbolic link, and not
 * hold anything yet: a verb of the engine must never be able to overwrite a file of the host.
 */
import { constants } from "node:fs";
import { lstat, open, realpath, unlink } from "node:fs/promises";
import * as path from "node:path";
import { MonitorError } from "../errors.ts";

/** The version of the parameters file's shape. */
export const PARAMETERS_FORMAT = 1;
const FILE_MODE = 0o600;
/** Group and world. */
const WRITABLE_BY_OTHERS = 0o022;

export interface HibernationFiles {
  readonly imagePath: string;
  readonly parametersPath: string;
}

export interface HibernationParameters {
  readonly vmId: string;
  readonly name: string;
  readonly host: string;
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly domainXml: string;
}

/** What `prepareFiles` did, so that it can be undone. */
export interface PreparedFiles extends HibernationFiles {
  readonly madeImage: boolean;
  readonly madeParameters: boolean;
}

/**
 * Checks both paths and creates those that do not exist, exclusively, mode 0600.
 * Fails: invalidParams naming dst or dstparams; leaves nothing behind then.
 */
export async function prepareFiles(
  files: HibernationFiles,
  folder: string,
): Promise<PreparedFiles> {
  if (path.resolve(files.imagePath) === path.resolve(files.parametersPath)) {
    throw new MonitorError("invalidParams", "dstparams: must be another file than dst");
  }
  await checkWay("dst", files.imagePath, folder);
  await checkWay("dstparams", files.parametersPath, folder);
  const madeImage = await createIfMissing("dst", files.imagePath);
  try {
    const madeParameters = await createIfMissing("dstparams", files.parametersPath);
    return { ...files, madeImage, madeParameters };
  } catch (error) {
    if (madeImage) await unlink(files.imagePath);
    throw error;
  }
}

/** Writes the parameters; the guest's XML is in there, so nobody else may read it. */
export async function writeParameters(
  files: HibernationFiles,
  parameters: HibernationParameters,
): Promise<void> {
  const handle = await open(
    files.parametersPath,
    constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW,
    FILE_MODE,
  );
  try {
    await handle.chmod(FILE_MODE);
    const content = { formatVersion: PARAMETERS_FORMAT, ...parameters };
    await handle.writeFile(`${JSON.stringify(content, null, 2)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The first bytes of an image that libvirt has finished. Source: libvirt, qemu_saveimage.h. */
const COMPLETE_MAGIC = "LibvirtQemudSave";

/** While libvirt writes an image its first bytes say so; it changes them last of all. */
export async function imageState(imagePath: string): Promise<"complete" | "notComplete"> {
  try {
    const handle = await open(imagePath, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const magic = Buffer.alloc(COMPLETE_MAGIC.length);
      await handle.read(magic, 0, magic.length, 0);
      return magic.toString("latin1") === COMPLETE_MAGIC ? "complete" : "notComplete";
    } finally {
      await handle.close();
    }
  } catch {
    return "notComplete";
  }
}

/** Puts things back as they were before: made files go, files that were there are empty again. */
export async function undoFiles(files: PreparedFiles): Promise<void> {
  await undo(files.imagePath, files.madeImage);
  await undo(files.parametersPath, files.madeParameters);
}

async function undo(file: string, made: boolean): Promise<void> {
  try {
    await (made ? unlink(file) : empty(file));
  } catch (error) {
    // libvirt removes the image of a save that it gave up.
    if (!isCode(error, "ENOENT")) throw error;
  }
}

/** Never through a link: the file may have been swapped for one meanwhile. */
async function empty(file: string): Promise<void> {
  const handle = await open(file, constants.O_WRONLY | constants.O_NOFOLLOW);
  try {
    await handle.truncate(0);
  } finally {
    await handle.close();
  }
}

async function checkWay(key: string, file: string, folder: string): Promise<void> {
  if (!path.isAbsolute(file) || path.normalize(file) !== file) {
    throw refused(key, file, "must be an absolute path without . or ..");
  }
  const below = path.relative(folder, file);
  if (below === "" || below === ".." || below.startsWith("../") || path.isAbsolute(below)) {
    throw refused(key, file, `must lie below ${folder}`);
  }
  let at = await realpath(folder).catch(() => {
    throw refused(key, file, `${folder} (vars.hibernation_dir) does not exist`);
  });
  await checkFolder(key, file, at);
  for (const part of path.dirname(below).split(path.sep)) {
    if (part === ".") continue;
    at = path.join(at, part);
    await checkFolder(key, file, at);
  }
}

/** A folder in which nobody but root and we can put another file in the place of ours. */
async function checkFolder(key: string, file: string, at: string): Promise<void> {
  const stat = await lstat(at).catch(() => null);
  if (stat === null || !stat.isDirectory()) {
    throw refused(key, file, `${at} is no folder, or a link`);
  }
  const isOurs = stat.uid === 0 || stat.uid === process.getuid?.();
  if (!isOurs || (stat.mode & WRITABLE_BY_OTHERS) !== 0) {
    throw refused(key, file, `${at} can be written by others, who could swap the file`);
  }
}

async function createIfMissing(key: string, file: string): Promise<boolean> {
  const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW;
  try {
    await (await open(file, flags, FILE_MODE)).close();
    return true;
  } catch (error) {
    if (!isCode(error, "EEXIST")) throw refused(key, file, messageOf(error));
  }
  const stat = await lstat(file);
  if (!stat.isFile() || stat.nlink !== 1) {
    throw refused(key, file, "exists and is no plain file of its own");
  }
  if (stat.size > 0) throw refused(key, file, "exists and is not empty");
  return false;
}

function refused(key: string, file: string, why: string): MonitorError {
  return new MonitorError("invalidParams", `${key}: ${JSON.stringify(file)}: ${why}`);
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
