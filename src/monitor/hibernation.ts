/**
 * The two files of a hibernation: the image that libvirt writes and the parameters that we write
 * beside it. Both must lie below the configured folder, be reached without a symbolic link, and not
 * hold anything yet: a verb of the engine must never be able to overwrite a file of the host.
 */
import { constants } from "node:fs";
import { lstat, open, realpath } from "node:fs/promises";
import * as path from "node:path";
import { MonitorError } from "../errors.ts";
import { HeldFile, refused } from "./held-file.ts";

/** The version of the parameters file's shape. */
export const PARAMETERS_FORMAT = 1;
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
  /** What was last begun with them: one after the other. */
  #last: Promise<void> = Promise.resolve();

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
   * locked would be another's, and left behind. **Fails**: invalidParams naming dst or dstparams; leaves
   * nothing behind then.
   */
  static take(files: HibernationFiles, folder: string): Promise<SaveFiles> {
    const taken = SaveFiles.#turn.then(() => SaveFiles.#takeBoth(files, folder));
    SaveFiles.#turn = taken.catch(() => undefined);
    return taken;
  }

  static #turn: Promise<unknown> = Promise.resolve();

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
  takeAgain(begun: boolean): Promise<boolean> {
    const { imagePath, madeImage, parametersPath, madeParameters } = this.prepared;
    return this.#next(async () => {
      this.#image ??= await HeldFile.takeAgain(imagePath, madeImage, begun);
      this.#parameters ??= await HeldFile.takeAgain(parametersPath, madeParameters, true);
      return this.#image !== null && this.#parameters !== null;
    });
  }

  /** Both paths still lead to what is held, and nobody else has written there. */
  async areOurs(): Promise<boolean> {
    const ours = await Promise.all([this.#image?.isOurs(), this.#parameters?.isOurs()]);
    return ours.every((each) => each === true);
  }

  /** libvirt writes the image from here on. */
  begins(): void {
    this.#image?.fills();
  }

  /** Writes the parameters; the guest's XML is in there, so nobody else may read it. */
  async writeParameters(parameters: HibernationParameters): Promise<void> {
    const content = { formatVersion: PARAMETERS_FORMAT, ...parameters };
    await this.#parameters?.write(`${JSON.stringify(content, null, 2)}\n`);
  }

  /** Puts things back as they were before, as far as they are held. */
  undo(): Promise<void> {
    return this.#end((file) => file.undo());
  }

  /** The save has ended: what is there stays, and the paths are free. */
  release(): Promise<void> {
    return this.#end((file) => file.release());
  }

  #end(each: (file: HeldFile) => Promise<void>): Promise<void> {
    return this.#next(async () => {
      const held = [this.#image, this.#parameters].filter((file) => file !== null);
      this.#image = null;
      this.#parameters = null;
      await Promise.all(held.map(each));
    });
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#last.then(work);
    this.#last = next.then(
      () => undefined,
      () => undefined,
    );
    return next;
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
