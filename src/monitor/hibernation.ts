/**
 * The two files of a hibernation: the image that libvirt writes and the parameters that we write
 * beside it. Both must lie below the configured folder, be reached without a symbolic link, and not
 * hold anything yet: a verb of the engine must never be able to overwrite a file of the host.
 */
import { constants } from "node:fs";
import { lstat, open, realpath, type FileHandle } from "node:fs/promises";
import * as path from "node:path";
import { MonitorError } from "../errors.ts";
import { fileTurn, type Timely } from "./file-turn.ts";
import { HeldFile, refused } from "./held-file.ts";

/** The version of the parameters file's shape. */
export const PARAMETERS_FORMAT = 1;
const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
/** How long both files may take, with those of others before them. */
const TAKE_MAX_MS = 5_000;
/** Busy storage may take its time until what was written is on the disk. */
const WRITE_MAX_MS = 5_000;
/** A caller who waits until the paths are free waits no longer. */
const END_MAX_MS = 2_000;
const LOOK_MAX_MS = 2_000;
export const NO_ANSWER = "its file system does not answer, or another save's does not";
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

/** What was done for them, so that it can be undone, also by the next daemon. */
export interface PreparedFiles extends HibernationFiles {
  readonly madeImage: boolean;
  readonly madeParameters: boolean;
}

/** Both files of one save, held until it has ended. */
export class SaveFiles {
  readonly prepared: PreparedFiles;
  #image: HeldFile | null;
  #parameters: HeldFile | null;

  private constructor(
    prepared: PreparedFiles,
    image: HeldFile | null,
    parameters: HeldFile | null,
  ) {
    this.prepared = prepared;
    this.#image = image;
    this.#parameters = parameters;
  }

  /**
   * Checks both paths and takes both files. One after the other: a file that one has made and not yet
   * locked would be another's, and left behind. **Fails**: invalidParams naming dst or dstparams,
   * migrationFailed if the file system does not answer; leaves nothing behind then, at the latest when
   * it answers.
   */
  static async take(files: HibernationFiles, folder: string): Promise<SaveFiles> {
    const taken = await fileTurn.ask(
      TAKE_MAX_MS,
      () => SaveFiles.#takeBoth(files, folder),
      (late) => late.#end((file) => file.undo()),
    );
    if (taken !== "late") return taken;
    throw new MonitorError("migrationFailed", `dst: ${files.imagePath}: ${NO_ANSWER}`);
  }

  static async #takeBoth(files: HibernationFiles, folder: string): Promise<SaveFiles> {
    if (path.resolve(files.imagePath) === path.resolve(files.parametersPath)) {
      throw new MonitorError("invalidParams", "dstparams: must be another file than dst");
    }
    await checkWay("dst", files.imagePath, folder);
    await checkWay("dstparams", files.parametersPath, folder);
    const image = await HeldFile.take("dst", files.imagePath);
    try {
      const parameters = await HeldFile.take("dstparams", files.parametersPath);
      const made = { madeImage: image.made, madeParameters: parameters.made };
      return new SaveFiles({ ...files, ...made }, image, parameters);
    } catch (error) {
      await image.undo();
      throw error;
    }
  }

  /** Those of a save that the daemon before this one began; nothing is held yet. */
  static known(prepared: PreparedFiles): SaveFiles {
    return new SaveFiles(prepared, null, null);
  }

  /** Takes again what is there; `begun`: libvirt may have written. False: not both of them are held now. */
  takeAgain(begun: boolean): Promise<Timely<boolean>> {
    const { imagePath, madeImage, parametersPath, madeParameters } = this.prepared;
    return fileTurn.surely(TAKE_MAX_MS, async () => {
      this.#image ??= await HeldFile.takeAgain(imagePath, madeImage, begun);
      this.#parameters ??= await HeldFile.takeAgain(parametersPath, madeParameters, true);
      return this.#image !== null && this.#parameters !== null;
    });
  }

  /** Both paths still lead to what is held, and nobody else has written there. */
  areOurs(): Promise<Timely<boolean>> {
    return fileTurn.ask(WRITE_MAX_MS, async () => {
      const image = await this.#image?.isOurs();
      return image === true && (await this.#parameters?.isOurs()) === true;
    });
  }

  /** libvirt writes the image from here on. */
  begins(): void {
    this.#image?.fills();
  }

  /** Writes the parameters; the guest's XML is in there, so nobody else may read it. */
  writeParameters(parameters: HibernationParameters): Promise<Timely<void>> {
    const content = { formatVersion: PARAMETERS_FORMAT, ...parameters };
    const text = `${JSON.stringify(content, null, 2)}\n`;
    return fileTurn.ask(WRITE_MAX_MS, async () => this.#parameters?.write(text));
  }

  /** Puts things back as they were before, as far as they are held. */
  undo(): Promise<Timely<void>> {
    return fileTurn.surely(END_MAX_MS, () => this.#end((file) => file.undo()));
  }

  /** The save has ended: what is there stays, and the paths are free. */
  release(): Promise<Timely<void>> {
    return fileTurn.surely(END_MAX_MS, () => this.#end((file) => file.release()));
  }

  /** Both, also if one of them fails. */
  async #end(each: (file: HeldFile) => Promise<void>): Promise<void> {
    const [image, parameters] = [this.#image, this.#parameters];
    this.#image = null;
    this.#parameters = null;
    try {
      if (image !== null) await each(image);
    } finally {
      if (parameters !== null) await each(parameters);
    }
  }
}

/** The first bytes of an image that libvirt has finished. Source: libvirt, qemu_saveimage.h. */
const COMPLETE_MAGIC = "LibvirtQemudSave";

/**
 * While libvirt writes an image its first bytes say so; it changes them last of all. Null: nobody can
 * tell, since its file system does not answer, or answers with an error of its own.
 */
export async function imageState(imagePath: string): Promise<"complete" | "notComplete" | null> {
  const looked = await fileTurn.ask(LOOK_MAX_MS, () => lookAt(imagePath));
  return looked === "late" ? null : looked;
}

async function lookAt(imagePath: string): Promise<"complete" | "notComplete" | null> {
  let handle: FileHandle | undefined;
  try {
    // Nobody waits for the other end of what is no file.
    handle = await open(imagePath, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const magic = Buffer.alloc(COMPLETE_MAGIC.length);
    await handle.read(magic, 0, magic.length, 0);
    return magic.toString("latin1") === COMPLETE_MAGIC ? "complete" : "notComplete";
  } catch (error) {
    return isMissing(error) ? "notComplete" : null;
  } finally {
    await handle?.close().catch(() => undefined);
  }
}

/** No file is there, or no plain one. */
const MISSING: ReadonlySet<unknown> = new Set([
  "ENOENT",
  "ENOTDIR",
  "ELOOP",
  "EISDIR",
  "ENXIO",
  "ESPIPE",
]);

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && MISSING.has(error.code);
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
