// What a thread has used of a CPU.

import { readFileSync } from "node:fs";

/**
 * Nanoseconds of a CPU that the calling thread has used, as the system counts them; 0 where it does not tell
 * (CLOCK_THREAD_CPUTIME_ID).
 *
 * @example
 * threadCpuTime() >= 0; // → true
 */
export function threadCpuTime(): number {
  const { threadCpuUsage } = process as { threadCpuUsage?: () => { user: number; system: number } };
  if (threadCpuUsage !== undefined) {
    const { user, system } = threadCpuUsage.call(process);
    return (user + system) * 1000;
  }
  try {
    // Nanoseconds on a CPU, nanoseconds waiting for one, time slices.
    return Number(readFileSync("/proc/thread-self/schedstat", "utf8").split(" ")[0]);
  } catch {
    return 0;
  }
}
