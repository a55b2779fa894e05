// Schedules as text: who runs, and for how many accesses to memory. "1x12.2x30.1x5" does not depend on what the
// search took for a step, so it can be replayed by itself.

export interface Turn {
  /** Index of the thread. */
  readonly thread: number;
  readonly accesses: number;
}

export type Schedule = readonly Turn[];

export function scheduleText(schedule: Schedule): string {
  return schedule.map(({ thread, accesses }) => `${thread + 1}x${accesses}`).join(".");
}

export function parseSchedule(text: string): Schedule {
  if (text === "") return [];
  return text.split(".").map((turn) => {
    const parts = /^([1-9])x(\d+)$/.exec(turn);
    if (parts === null) throw new Error(`not a turn of a schedule: ${turn}`);
    return { thread: Number(parts[1]) - 1, accesses: Number(parts[2]) };
  });
}

/** A schedule as it grows and shrinks during a search. */
export class ScheduleWriter {
  readonly #turns: Turn[] = [];

  mark(): number {
    return this.#turns.length;
  }

  push(thread: number, accesses: number): void {
    this.#turns.push({ thread, accesses });
  }

  back(mark: number): void {
    this.#turns.length = mark;
  }

  /** The turns, those of one thread in a row put together. */
  schedule(): Schedule {
    const turns: Turn[] = [];
    for (const turn of this.#turns) {
      const last = turns.at(-1);
      if (last?.thread === turn.thread) {
        turns[turns.length - 1] = { thread: turn.thread, accesses: last.accesses + turn.accesses };
      } else if (turn.accesses > 0) turns.push(turn);
    }
    return turns;
  }
}
