// What the programs need of where they run: here of a browser. chromium.mjs takes it in place of host.mjs.

export const meter = { units: 0 };
// Whoever has opened the page looks at it.
globalThis.meter = meter;

/** A page ends with its browser. */
export const stopped = new Promise(() => {});

const RETRY_MS = 20;

/** The server starts when it is told where, which the page's address tells as well. A browser has no messages in pieces. */
export async function connect() {
  for (;;) {
    const socket = new WebSocket(`ws://127.0.0.1:${new URL(location.href).searchParams.get("port")}`);
    socket.binaryType = "arraybuffer";
    const open = await new Promise((resolve) => {
      socket.onopen = () => resolve(true);
      socket.onerror = () => resolve(false);
    });
    if (open) return socket;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

const { port1, port2 } = new MessageChannel();
const turns = [];
port1.onmessage = () => {
  for (const resolve of turns.splice(0)) resolve();
};

/** The next turn of the event loop. */
export function turn() {
  return new Promise((resolve) => {
    if (turns.push(resolve) === 1) port2.postMessage(0);
  });
}

export function start(url) {
  const worker = new Worker(url, { type: "module" });
  return {
    post: (data, transfer = []) => worker.postMessage(data, transfer),
    receive: (listener) => worker.addEventListener("message", ({ data }) => listener(data)),
    end: () => worker.terminate(),
  };
}

export const parent =
  typeof WorkerGlobalScope === "undefined"
    ? undefined
    : {
        post: (data, transfer = []) => postMessage(data, transfer),
        receive: (listener) => addEventListener("message", ({ data }) => listener(data)),
      };
