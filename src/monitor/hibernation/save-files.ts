/**
 * The two files of a hibernation: the image, which libvirt writes, and the parameters, which this daemon
 * writes. Both must lie below vars.hibernation_dir, be reachable without symbolic links, and be empty:
 * no verb may overwrite a file of the host.
 */
import { constants } from "node:fs";
import { lstat, open, realpath, type FileHandle } from "node:fs/promises";
import * as path from "node:path";
import { MonitorError } from "../../errors.ts";
import { fileTurn, type Timely } from "./file-turn.ts";
import { HeldFile, refused } from "./held-file.ts";

/** Format version of the parameters file. */
export const PARAMETERS_FORMAT = 1;
const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
/** For both files, including the wait for those of other saves. */
const TAKE_MAX_MS = 5_000;
/** Busy storage may be slow to sync. */
const WRITE_MAX_MS = 5_000;
/** The longest that a caller waits for the paths to become free. */
const END_MAX_MS = 2_000;
const LOOK_MAX_MS = 2_000;
export const NO_ANSWER = "its file system, or another save's, does not answer";
/** Group and others. */
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

/** What was created, so that it can be undone, also after a restart. */
export interface PreparedFiles extends HibernationFiles {
  readonly madeImage: boolean;
  readonly madeParameters: boolean;
}

/** Both files of one save, held until it ends. */
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
   * Checks both paths and takes both files. One save at a time: a file that is created and not locked yet
   * could otherwise be taken by another save and be left behind. **Fails**: invalidParams naming dst or
   * dstparams, migrationFailed if the file system does not answer; nothing is left behind once it does.
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

  /** Of a save that was started before a restart; nothing is held yet. */
  static known(prepared: PreparedFiles): SaveFiles {
    return new SaveFiles(prepared, null, null);
  }

  /** Takes again what exists. `begun`: libvirt may have written to it. False: not both are held now. */
  takeAgain(begun: boolean): Promise<Timely<boolean>> {
    const { imagePath, madeImage, parametersPath, madeParameters } = this.prepared;
    return fileTurn.surely(TAKE_MAX_MS, async () => {
      this.#image ??= await HeldFile.takeAgain(imagePath, madeImage, begun);
      this.#parameters ??= await HeldFile.takeAgain(parametersPath, madeParameters, true);
      return this.#image !== null && this.#parameters !== null;
    });
  }

  /** Both paths still lead to the held files, and nobody else has written to them. */
  areOurs(): Promise<Timely<boolean>> {
    return fileTurn.ask(WRITE_MAX_MS, async () => {
      const image = await this.#image?.isOurs();
      return image === true && (await this.#parameters?.isOurs()) === true;
    });
  }

  /** From now on libvirt writes the image. */
  begins(): void {
    this.#image?.fills();
  }

  /** Writes the parameters. They contain the guest's XML, so only the owner may read them. */
  writeParameters(parameters: HibernationParameters): Promise<Timely<void>> {
    const content = { formatVersion: PARAMETERS_FORMAT, ...parameters };
    const text = `${JSON.stringify(content, null, 2)}\n`;
    return fileTurn.ask(WRITE_MAX_MS, async () => this.#parameters?.write(text));
  }

  /** Restores what was there before, of the files that are held. */
  undo(): Promise<Timely<void>> {
    return fileTurn.surely(END_MAX_MS, () => this.#end((file) => file.undo()));
  }

  /** Ends the hold: the files stay, the paths are free. */
  release(): Promise<Timely<void>> {
    return fileTurn.surely(END_MAX_MS, () => this.#end((file) => file.release()));
  }

  /** For both, even if one fails. */
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

/**
 * Whether the image begins with `completeMagic`, which is written last. Null: it cannot be told, because
 * the file system does not answer or reports an error.
 */
export async function imageState(
  imagePath: string,
  completeMagic: string,
): Promise<"complete" | "notComplete" | null> {
  const looked = await fileTurn.ask(LOOK_MAX_MS, () => lookAt(imagePath, completeMagic));
  return looked === "late" ? null : looked;
}

async function lookAt(
  imagePath: string,
  completeMagic: string,
): Promise<"complete" | "notComplete" | null> {
  let handle: FileHandle | undefined;
  try {
    // A FIFO must not block the open.
    handle = await open(imagePath, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const magic = Buffer.alloc(completeMagic.length);
    await handle.read(magic, 0, magic.length, 0);
    return magic.toString("latin1") === completeMagic ? "complete" : "notComplete";
  } catch (error) {
    return isMissing(error) ? "notComplete" : null;
  } finally {
    await handle?.close().catch(() => undefined);
  }
}

/** There is no file, or not a regular one. */
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

/** A directory in which only root and this daemon can replace a file. */
async function checkFolder(key: string, file: string, at: string): Promise<void> {
  const stat = await lstat(at).catch(() => null);
  if (stat === null || !stat.isDirectory()) {
    throw refused(key, file, `${at} is not a directory, or is a symbolic link`);
  }
  const isOurs = stat.uid === 0 || stat.uid === process.getuid?.();
  if (!isOurs || (stat.mode & WRITABLE_BY_OTHERS) !== 0) {
    throw refused(key, file, `${at} is writable by others, who could replace the file`);
  }
}
