// The module that every thread of the page is started with. Its first message says which part it plays.

import { runPost } from "./post.js";
import type { Answer, Command, PostJob, SoloJob, ThreadJob } from "./protocol.js";
import { runSolo } from "./solo.js";
import { runThread } from "./thread.js";

export interface PostStart {
  readonly job: PostJob;
  readonly place: number;
  readonly ports: {
    readonly from: MessagePort[];
    readonly next: MessagePort[];
    readonly back: MessagePort | null;
  };
}

export type Start = { readonly job: ThreadJob | SoloJob } | PostStart;

const post = (answer: Answer): void => self.postMessage(answer);
const failed = (error: unknown): void =>
  post({ kind: "failed", message: error instanceof Error ? error.message : String(error) });

/** Commands that came before there was anybody to hear them. */
const early: Command[] = [];
let hear: (command: Command) => void = (command) => early.push(command);

function listen(on: (command: Command) => void): void {
  hear = on;
  for (const command of early.splice(0)) on(command);
}

async function begin(start: Start): Promise<void> {
  if ("ports" in start) runPost(start.job, start.place, start.ports, post, listen);
  else if (start.job.kind === "solo") await runSolo(start.job, post, listen);
  else await runThread(start.job, post);
}

self.onmessage = ({ data: start }: MessageEvent<Start>) => {
  self.onmessage = ({ data }: MessageEvent<Command>) => {
    try {
      hear(data);
    } catch (error) {
      failed(error);
    }
  };
  begin(start).catch(failed);
};
