import type { Engine, Mesh, Skb, UserRegion } from "skbuff";

/** What a thread has done. */
export interface TrafficReport {
  readonly counts: Record<string, number>;
  /** ubufs that packets carried. */
  readonly lent: number;
  /** Those whose completion came. */
  readonly completed: number;
  /** Those whose completion came more than once. */
  readonly twice: number;
}

export function generator(seed: number): (n: number) => number;

export class Traffic {
  constructor(engine: Engine, seed: number, mesh: Mesh, place: number);
  readonly random: (n: number) => number;
  readonly region: UserRegion;
  make(seq: number): Skb | null;
  verify(skb: Skb, when: string): void;
  treat(skb: Skb): Skb;
  sweep(): void;
  end(): Promise<void>;
  report(): TrafficReport;
}
