/**
 * Acts that disturb a host and undo it: they take away a daemon, a libvirtd, a link or a QEMU, or
 * send noise to the daemon's listener.
 */
import { connect } from "node:net";
import type { CutKind, LinkName } from "../lab/api.ts";
import { SOCKET_PATH } from "../lab/line.ts";
import { guestLabel, type Act } from "./act.ts";
import type { Random } from "./random.ts";
import { told, type HostIndex, type Side } from "./stage.ts";
import type { Site } from "./site.ts";

const DOWN_MS = [0, 3000] as const;
const HOSTS: readonly HostIndex[] = [0, 1];
const HOST_NAMES = ["host-a", "host-b"] as const;
const LINKS: readonly LinkName[] = ["control", "migration"];
const CUTS: readonly CutKind[] = ["down", "swallow"];
const SIDES: readonly Side[] = ["source", "destination"];
/** Invalid, so the daemon keeps what it had. */
const BAD_VARS = { migration_progress_timeout: 0 };
const GETTERS = ["Host.getMigrations", "Host.getStats", "Host.getAllVmStats", "Host.getVMList"];

function drawHost(random: Random): HostIndex {
  return random.pick(HOSTS);
}

export const actsOnHosts: readonly Act[] = [
  {
    name: "kill-daemon",
    weight: 4,
    draw(random) {
      const [host, downMs] = [drawHost(random), random.integer(...DOWN_MS)];
      return {
        text: `kill -9 the daemon of ${HOST_NAMES[host]}, start it after ${downMs} ms`,
        run: async (stage) => done(stage.killDaemon(stage.sites[host], downMs)),
      };
    },
  },
  {
    name: "stop-daemon",
    weight: 2,
    draw(random) {
      const [host, downMs] = [drawHost(random), random.integer(...DOWN_MS)];
      return {
        text: `stop the daemon of ${HOST_NAMES[host]}, start it after ${downMs} ms`,
        run: async (stage) => done(stage.terminateDaemon(stage.sites[host], downMs)),
      };
    },
  },
  {
    name: "reload-daemon",
    weight: 1,
    draw(random) {
      const [host, bad] = [drawHost(random), random.chance(0.5)];
      return {
        text: `SIGHUP to the daemon of ${HOST_NAMES[host]}, with ${bad ? "a broken" : "a valid"} file`,
        run: async (stage) => done(stage.sites[host].reloadDaemon(bad ? BAD_VARS : {})),
      };
    },
  },
  {
    name: "kill-libvirtd",
    weight: 2,
    draw(random) {
      const [host, downMs] = [drawHost(random), random.integer(...DOWN_MS)];
      return {
        text: `kill -9 libvirtd of ${HOST_NAMES[host]}, start it after ${downMs} ms`,
        run: async (stage) => done(stage.killLibvirtd(stage.sites[host].host, downMs)),
      };
    },
  },
  {
    name: "pause-libvirtd",
    weight: 2,
    draw(random) {
      const [host, forMs] = [drawHost(random), random.integer(200, 3000)];
      return {
        text: `stop libvirtd of ${HOST_NAMES[host]} for ${forMs} ms`,
        run: async (stage) => done(stage.pauseLibvirtd(stage.sites[host].host, forMs)),
      };
    },
  },
  {
    name: "cut-link",
    weight: 4,
    draw(random) {
      const [link, kind] = [random.pick(LINKS), random.pick(CUTS)];
      const forMs = random.chance(0.15) ? random.integer(5000, 9000) : random.integer(500, 4000);
      return {
        text: `cut the ${link} link (${kind}) for ${forMs} ms`,
        run: async (stage) => done(stage.cut(link, kind, forMs)),
      };
    },
  },
  {
    name: "pause-qemu",
    weight: 2,
    draw(random, { guests }) {
      const index = random.integer(0, guests - 1);
      const [side, forMs] = [random.pick(SIDES), random.integer(200, 2500)];
      return {
        text: `stop the QEMU of ${guestLabel(index)} on its ${side} for ${forMs} ms`,
        run: async (stage) => {
          const player = stage.player(index);
          const was = await stage.pauseQemu(player, stage.site(player, side).host, forMs);
          return was ? "done" : "no QEMU there";
        },
      };
    },
  },
  {
    name: "garbage",
    weight: 1,
    draw(random) {
      const host = drawHost(random);
      const head = random.pick([
        "",
        "GET / HTTP/1.1\r\n",
        "CONNECT\n",
        "POST /jsonrpc HTTP/1.1\r\n",
      ]);
      const bytes = Array.from({ length: random.integer(1, 512) }, () => random.integer(0, 255));
      return {
        text: `${bytes.length} bytes of garbage after ${JSON.stringify(head)} to ${HOST_NAMES[host]}`,
        run: (stage) =>
          send(stage.sites[host], Buffer.concat([Buffer.from(head), Buffer.from(bytes)])),
      };
    },
  },
  {
    name: "questions",
    weight: 1,
    draw(random) {
      const [host, count] = [drawHost(random), random.integer(10, 60)];
      const verb = random.pick(GETTERS);
      return {
        text: `call ${verb} on ${HOST_NAMES[host]}, ${count} times at once`,
        run: async (stage) => {
          const site = stage.sites[host];
          const answers = await Promise.all(Array.from({ length: count }, () => site.call(verb)));
          return [...new Set(answers.map((answer) => told(answer).slice(0, 60)))].join(" | ");
        },
      };
    },
  },
];

async function done(work: Promise<void>): Promise<string> {
  await work;
  return "done";
}

/** Resolves once the bytes are sent or the daemon has closed the connection. */
function send(site: Site, bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(site.host.outsidePath(SOCKET_PATH));
    socket.once("error", (error) => resolve(error.message));
    socket.once("close", () => resolve("sent"));
    socket.end(bytes, () => socket.destroySoon());
  });
}
