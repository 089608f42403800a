/**
 * The guest's kernel: compiled from guest/ into test/.build if it is missing or older than its
 * sources. Needs gcc and binutils from build-essential, but no 32-bit libraries.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import path from "node:path";
import { checkoutFolder } from "./checkout.ts";

const FLAGS =
  "-m32 -ffreestanding -nostdlib -static -no-pie -fno-pic -fno-pie -fno-stack-protector " +
  "-fcf-protection=none -mno-sse -O2 -Wall -Wextra -Werror -Wl,--build-id=none -Wl,-z,noexecstack";

const TEST_FOLDER = path.join(checkoutFolder(), "test");

function modifiedMs(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Returns the compiled kernel's path. Fails with the compiler's output. */
export function guestImage(): string {
  const sources = path.join(TEST_FOLDER, "lab/guest");
  const image = path.join(TEST_FOLDER, ".build/guest.elf");
  const newestMs = Math.max(...readdirSync(sources).map((f) => modifiedMs(path.join(sources, f))));
  if (modifiedMs(image) > newestMs) return image;
  mkdirSync(path.dirname(image), { recursive: true });
  const fresh = `${image}.${process.pid}`;
  const files = ["boot.S", "guest.c"].map((file) => path.join(sources, file));
  const script = `-Wl,-T,${path.join(sources, "guest.ld")}`;
  execFileSync("gcc", [...FLAGS.split(" "), script, "-o", fresh, ...files], {
    stdio: ["ignore", "inherit", "pipe"],
  });
  renameSync(fresh, image);
  return image;
}
