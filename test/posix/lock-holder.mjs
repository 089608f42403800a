// Holds the lock of the file or folder named by its argument until it is killed.
import { openSync } from "node:fs";
import { flock } from "posix";

const held = flock(openSync(process.argv[2], "r"), { exclusive: true, nonBlocking: true });
process.stdout.write(held ? "held\n" : "refused\n");
setInterval(() => {}, 1000);
