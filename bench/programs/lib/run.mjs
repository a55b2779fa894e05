// One run: a process for the program, one for its traffic.

import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { apart } from "./apart.mjs";

const TIMEOUT_MS = 120_000;

/** A process, its messages, and its end. */
class Child {
  #process;
  #name;
  #messages = [];
  #waiting;
  #ended = false;
  #errors = "";

  constructor(file, data, execArgv = []) {
    this.#name = fileURLToPath(file).split("/").slice(-2).join("/");
    this.#process = fork(file, [JSON.stringify(data)], {
      execArgv,
      stdio: ["ignore", "inherit", "pipe", "ipc"],
    });
    this.#process.stderr.setEncoding("utf8").on("data", (some) => {
      this.#errors += some;
    });
    this.#process.on("message", (message) => {
      this.#messages.push(message);
      this.#waiting?.();
    });
    this.#process.on("exit", () => {
      this.#ended = true;
      this.#waiting?.();
    });
  }

  send(type) {
    this.#process.send({ type });
  }

  /** The next message of this type. */
  async hear(type) {
    const timer = setTimeout(() => this.#process.kill(), TIMEOUT_MS);
    try {
      for (;;) {
        const at = this.#messages.findIndex((message) => message.type === type);
        if (at >= 0) return this.#messages.splice(at, 1)[0];
        if (this.#ended) throw new Error(`${this.#name} ended before it was ${type}: ${this.#errors}`);
        await new Promise((resolve) => {
          this.#waiting = resolve;
        });
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async ask(type, answer) {
    this.send(type);
    return this.hear(answer);
  }

  /** Ends it. @throws if it has failed, or had to be killed */
  async stop() {
    const exit = this.#ended ? undefined : once(this.#process, "exit");
    if (this.#process.connected) this.send("stop");
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), TIMEOUT_MS);
    await exit;
    clearTimeout(timer);
    const { exitCode, signalCode } = this.#process;
    if (exitCode !== 0)
      throw new Error(`${this.#name} ended with ${exitCode ?? signalCode}: ${this.#errors}`);
  }

  kill() {
    if (!this.#ended) this.#process.kill("SIGKILL");
  }
}

const fileOf = ({ folder, name }, file) => new URL(`../${folder ?? name}/${file}`, import.meta.url);

/** Runs `use(program, traffic)` with both processes, and ends them. */
async function running(one, side, data, profile, use) {
  const execArgv =
    profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}/${one.name}-${side}`];
  const { options } = one;
  const children = [];
  const begin = (...args) => {
    const child = new Child(...args);
    children.push(child);
    return child;
  };
  try {
    const program = begin(
      fileOf(one, one.programs[side]),
      { ...options, load: data.load, times: data.times, check: data.check },
      execArgv,
    );
    let traffic;
    if (one.traffic !== undefined) {
      const { info } = await program.hear("ready");
      traffic = begin(fileOf(one, one.traffic), { ...data, options, info });
    }
    const result = await use(program, traffic);
    await traffic?.stop();
    await program.stop();
    return result;
  } catch (error) {
    // Without the cause, whose stack says nothing more.
    throw new Error(`${one.name}, ${side}: ${error.message}`);
  } finally {
    for (const child of children) child.kill();
  }
}

/**
 * The figures of a run: nanoseconds of CPU a unit and how much of it was the system's, units a second, latencies in
 * nanoseconds, bytes of memory at most, units that went in, and how far apart the cores were when it began.
 */
export async function measure(one, side, load, { profile, ...times }) {
  if (one.measure !== undefined) return one.measure(side, load, times);
  const distance = await apart();
  return running(one, side, { load, times }, profile, async (program, traffic) => {
    if (traffic === undefined) return { ...figuresOf(one, await program.hear("ended")), apart: distance };
    await traffic.hear("steady");
    await program.ask("begin", "began");
    const { report } = await traffic.ask("measure", "measured");
    const { p50, p99, p999, sent } = report;
    const figures = figuresOf(one, await program.ask("end", "ended"));
    return { ...figures, p50, p99, p999, offered: (sent / times.ms) * 1000, apart: distance };
  });
}

function figuresOf({ shares = false }, { report: { cpu, system, main, ms, units, memory } }) {
  const figures = { cpu: cpu / units, system: system / units, rate: (units / ms) * 1000, memory };
  return shares ? { ...figures, main: main / cpu } : figures;
}

/** What came out of a program for the same input as the other's: how many, and a digest of the bytes at each output. */
export async function check(one, side) {
  if (one.check !== undefined) return one.check(side);
  const times = { warmUp: 0, settle: 0, ms: 0 };
  return running(one, side, { check: true, times }, undefined, async (program, traffic) => {
    const { report } = await (traffic ?? program).hear("checked");
    return report;
  });
}
