/**
 * On what kind of file system a path lies, according to the kernel's mount table. No file system is
 * queried for it: one whose server is gone (NFS) never answers, and would occupy a thread meanwhile.
 * Source: proc(5), /proc/[pid]/mountinfo.
 */
import { readFile, readlink } from "node:fs/promises";
import * as path from "node:path";

interface MountPoint {
  readonly id: string;
  readonly parentId: string;
  readonly at: string;
  readonly type: string;
}

/** Local to this host: reading a link on one of them never blocks. */
const ANSWERS_ITSELF: ReadonlySet<string> = new Set([
  "bcachefs",
  "btrfs",
  "devtmpfs",
  "erofs",
  "ext2",
  "ext3",
  "ext4",
  "f2fs",
  "jfs",
  "overlay",
  "ramfs",
  "reiserfs",
  "rootfs",
  "squashfs",
  "tmpfs",
  "xfs",
  "zfs",
]);

/** The kernel's own limit. */
const LINKS_MAX = 40;

const TABLE = "/proc/self/mountinfo";
/** A line: IDs, mount point, optional fields, a dash, type. */
const LINE = /^(\d+) (\d+) \S+ \S+ (\S+) .*? - (\S+)/;

export class MountPoints {
  readonly #all: readonly MountPoint[];

  constructor(table: string) {
    this.#all = table.split("\n").flatMap((line) => {
      const [, id, parentId, at, type] = LINE.exec(line) ?? [];
      const isWhole =
        id !== undefined && parentId !== undefined && at !== undefined && type !== undefined;
      return isWhole ? [{ id, parentId, at: unescaped(at), type }] : [];
    });
  }

  /** The present ones. **Fails**: Error without /proc. */
  static async now(): Promise<MountPoints> {
    return new MountPoints(await readFile(TABLE, "utf8"));
  }

  /**
   * The type of the file system that an absolute path without links leads to; null: none. Searched from
   * the root, because a mount hides what lies below it.
   */
  typeAt(file: string): string | null {
    const seen = new Set<string>();
    let found = this.#next(file, (each) => !this.#all.some(({ id }) => isParent(id, each)));
    let last: MountPoint | undefined;
    while (found !== undefined && !seen.has(found.id)) {
      seen.add(found.id);
      last = found;
      const { id } = found;
      found = this.#next(file, (each) => isParent(id, each));
    }
    return last?.type ?? null;
  }

  /** The same with links, as far as reading them cannot block. */
  async typeOf(file: string): Promise<string | null> {
    let at = path.normalize(file);
    for (let links = 0; links <= LINKS_MAX; links += 1) {
      const followed = await this.#followed(at);
      if (followed === "missing") return null;
      if (followed === "noLink") return this.typeAt(at);
      at = followed.file;
    }
    return null;
  }

  /** With its first link resolved; `noLink`: there is none that can be read without blocking. */
  async #followed(file: string): Promise<{ readonly file: string } | "noLink" | "missing"> {
    const parts = file.split("/").filter((part) => part !== "");
    let at = "/";
    for (const [index, part] of parts.entries()) {
      const next = path.join(at, part);
      if (!ANSWERS_ITSELF.has(this.typeAt(next) ?? "")) return "noLink";
      const link = await linkAt(next);
      if (link === "missing") return link;
      if (link !== "noLink") {
        return { file: path.resolve(at, link.to, ...parts.slice(index + 1)) };
      }
      at = next;
    }
    return "noLink";
  }

  /** The outermost on the path; of two at the same mount point the later is a child of the earlier. */
  #next(file: string, among: (each: MountPoint) => boolean): MountPoint | undefined {
    return this.#all
      .filter((each) => among(each) && isBelow(file, each.at))
      .toSorted((one, other) => one.at.length - other.at.length)[0];
  }
}

function isParent(id: string, each: MountPoint): boolean {
  return each.parentId === id && each.id !== id;
}

function isBelow(file: string, folder: string): boolean {
  return folder === "/" || file === folder || file.startsWith(`${folder}/`);
}

/** Space, tab, line feed and backslash are written as octal numbers. */
function unescaped(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_all, octal: string) =>
    String.fromCodePoint(Number.parseInt(octal, 8)),
  );
}

async function linkAt(file: string): Promise<{ readonly to: string } | "noLink" | "missing"> {
  try {
    return { to: await readlink(file) };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    return code === "EINVAL" ? "noLink" : "missing";
  }
}
