// Who does what in a mode, and who is connected with whom: by rings between threads that share an arena, or by ports.
//
//   guest ── down, up ── host ── down, up ── device ── socket ── peer

import { MessageChannel } from "node:worker_threads";
import { Engine, Mesh, Ring } from "skbuff";
import "skbuff/js";

const MEMORY = 64 << 20;

/** Where a role's function is: the module, then its name there. */
const ROLES = {
  packets: {
    stream: { guest: "packets guest", host: "packets host" },
    trips: { guest: "trips guest", host: "trips host", device: "trips device" },
    reverse: { guest: "reverse guest", host: "reverse host", device: "reverse device" },
    devices: {
      null: "packets localDevice",
      sum: "packets localDevice",
      tcp: "packet-devices tcp",
      udp: "packet-devices udp",
    },
  },
  posts: {
    stream: { guest: "posts guest", host: "posts host" },
    trips: { guest: "post-trips guest", host: "post-trips host", device: "post-trips device" },
    reverse: { guest: "post-reverse guest", host: "post-reverse host", device: "post-reverse device" },
    devices: {
      null: "posts localDevice",
      sum: "posts localDevice",
      tcp: "post-devices tcp",
      udp: "post-devices udp",
    },
  },
};

/**
 * How those wait that block. Where there are more threads than cores, who spins takes the core from whom it waits for; it would
 * be charged for that, too.
 */
const WAIT = { spin: false };

const PATTERNS = { rr: "trips", maerts: "reverse" };

/** The roles in the order in which they are started: who comes first finds nobody who waits for it. */
function rolesOf(family, { mode, device }, common, ends) {
  const table = ROLES[family];
  const found = { device: table.devices[device], ...table[PATTERNS[mode] ?? "stream"] };
  return Object.fromEntries(
    ["device", "host", "guest"].map((name) => {
      const [module, part] = found[name].split(" ");
      return [name, { ...common, ...ends[name], module, part }];
    }),
  );
}

/** What each role needs of the paths through the engine; and the engine, to be looked at in the end. */
export async function throughEngine(shared) {
  const { window, path, mode } = shared;
  const engine = await Engine.create({ memory: MEMORY, core: path.engine });
  // What is lent is limited by the guest's slots. Copies are not: half of the window may be in the ring, half with the device.
  const below = path.copies ? window / 2 : window;
  const [first, second] = [window, below].map((capacity) => new Ring(engine, { capacity }).share());
  const ends = {
    guest: { down: first },
    host: { up: first, down: second },
    device: { up: second, below },
  };
  const common = { ...shared, engine: engine.share(), wait: WAIT };
  // Who goes up and down waits for both at once.
  if (mode === "rr") common.mesh = new Mesh(engine, 2, 1, { capacity: window }).share();
  return { engine, roles: rolesOf("packets", shared, common, ends) };
}

/** The same of the paths through postMessage. */
export async function throughPosts(shared) {
  const [first, second, acks] = Array.from({ length: 3 }, () => new MessageChannel());
  const ends = {
    guest: { down: first.port1, acks: acks.port2 },
    host: { up: first.port2, down: second.port1 },
    device: { up: second.port2, acks: acks.port1 },
  };
  return { roles: rolesOf("posts", shared, shared, ends) };
}

export function portsOf({ up, down, acks }) {
  return [up, down, acks].filter((port) => port?.postMessage !== undefined);
}
