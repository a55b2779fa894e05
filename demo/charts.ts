// The two charts: how much goes through, and how long it takes.

// biome-ignore-all assist/source/organizeImports: the charts' library counts on what the first of these has seen to
import { LANGUAGE } from "./locale.js";
import uPlot from "uplot";
import { BUCKETS, limitOf, microseconds } from "./histogram.js";

/** Seconds that the first chart shows, at least and at most. */
const SPAN_LEAST = 10;
const SPAN = 60;
const HEIGHT = 220;
const FONT = "12px system-ui, sans-serif";

interface Colours {
  readonly text: string;
  readonly grid: string;
  readonly packets: string;
  readonly bits: string;
  readonly bars: string;
}

function colours(): Colours {
  const style = getComputedStyle(document.documentElement);
  const read = (name: string): string => style.getPropertyValue(name).trim();
  return {
    text: read("--soft"),
    grid: read("--line"),
    packets: read("--chart-packets"),
    bits: read("--chart-bits"),
    bars: read("--chart-bars"),
  };
}

/** `1.2 M`, `35 k`. */
export function short(n: number): string {
  if (n >= 1e6) return `${(n / 1e6).toFixed(n >= 1e7 ? 0 : 1)} M`;
  if (n >= 1e3) return `${(n / 1e3).toFixed(n >= 1e4 ? 0 : 1)} k`;
  return n.toLocaleString(LANGUAGE, { maximumFractionDigits: n >= 10 ? 0 : 1 });
}

export class Charts {
  readonly #places: { readonly throughput: HTMLElement; readonly latency: HTMLElement };
  readonly #seconds: number[] = [];
  readonly #packets: number[] = [];
  readonly #gigabits: number[] = [];
  #latencies: Uint32Array = new Uint32Array(BUCKETS);
  #throughput: uPlot | undefined;
  #latency: uPlot | undefined;

  constructor(throughput: HTMLElement, latency: HTMLElement) {
    this.#places = { throughput, latency };
    this.restyle();
    new ResizeObserver(() => this.#resize()).observe(throughput);
  }

  /** Begins anew. */
  clear(): void {
    for (const list of [this.#seconds, this.#packets, this.#gigabits]) list.length = 0;
    this.#latencies = new Uint32Array(BUCKETS);
    this.draw();
  }

  /** What went through in the time up to `seconds`, each second. */
  add(seconds: number, packets: number, gigabits: number): void {
    this.#seconds.push(seconds);
    this.#packets.push(packets);
    this.#gigabits.push(gigabits);
    while ((this.#seconds[0] as number) < seconds - SPAN) {
      for (const list of [this.#seconds, this.#packets, this.#gigabits]) list.shift();
    }
  }

  setLatencies(counts: Uint32Array): void {
    this.#latencies = counts;
  }

  draw(): void {
    const end = Math.max(this.#seconds.at(-1) ?? 0, SPAN_LEAST);
    this.#throughput?.batch(() => {
      this.#throughput?.setData([this.#seconds, this.#packets, this.#gigabits], false);
      this.#throughput?.setScale("x", { min: Math.max(end - SPAN, 0), max: end });
      this.#throughput?.setScale("packets", { min: 0, max: top(this.#packets, 1.1) });
      this.#throughput?.setScale("gigabits", { min: 0, max: top(this.#gigabits, 1.5) });
    });
    const total = this.#latencies.reduce((sum, n) => sum + n, 0) || 1;
    const shares = Array.from(this.#latencies, (n) => (n / total) * 100);
    this.#latency?.batch(() => {
      this.#latency?.setData([Array.from(shares, (_, i) => i), shares], false);
      this.#latency?.setScale("x", { min: -0.6, max: BUCKETS - 0.4 });
      this.#latency?.setScale("y", { min: 0, max: Math.max(10, Math.ceil(Math.max(...shares) / 10) * 10) });
    });
  }

  /** Makes both again, in the colours that the page has now. */
  restyle(): void {
    this.#throughput?.destroy();
    this.#latency?.destroy();
    const { text, grid, packets, bits, bars } = colours();
    const { throughput, latency } = this.#places;
    const axis = {
      stroke: text,
      grid: { stroke: grid, width: 1 },
      ticks: { stroke: grid, width: 1 },
      font: FONT,
      labelFont: FONT,
    };
    const common = {
      height: HEIGHT,
      cursor: { show: false },
      legend: { show: false },
      padding: [10, 8, 0, 0] as uPlot.Padding,
    };
    this.#throughput = new uPlot(
      {
        ...common,
        width: throughput.clientWidth,
        scales: { x: { time: false }, packets: { auto: false }, gigabits: { auto: false } },
        series: [
          {},
          { scale: "packets", stroke: packets, width: 2, points: { show: false } },
          { scale: "gigabits", stroke: bits, width: 2, dash: [6, 4], points: { show: false } },
        ],
        axes: [
          { ...axis, size: 34, values: (_, ticks) => ticks.map((n) => `${n} s`) },
          { ...axis, scale: "packets", size: 58, values: (_, ticks) => ticks.map(short) },
          {
            ...axis,
            scale: "gigabits",
            side: 1,
            size: 48,
            grid: { show: false },
            values: (_, ticks) => ticks.map(short),
          },
        ],
      },
      [[], [], []],
      throughput,
    );
    this.#latency = new uPlot(
      {
        ...common,
        width: latency.clientWidth,
        scales: { x: { time: false, auto: false }, y: { auto: false } },
        series: [
          {},
          {
            stroke: bars,
            fill: bars,
            points: { show: false },
            paths: uPlot.paths.bars?.({ size: [0.86, 40] }) as uPlot.Series.PathBuilder,
          },
        ],
        axes: [
          {
            ...axis,
            size: 34,
            grid: { show: false },
            splits: () => [0, 4, 7, 10, 14, 17, 20],
            values: (_, ticks) => ticks.map((n) => `<${microseconds(limitOf(n))}`),
          },
          { ...axis, size: 58, values: (_, ticks) => ticks.map((n) => `${n} %`) },
        ],
      },
      [[], []],
      latency,
    );
    this.draw();
  }

  #resize(): void {
    const { throughput, latency } = this.#places;
    this.#throughput?.setSize({ width: throughput.clientWidth, height: HEIGHT });
    this.#latency?.setSize({ width: latency.clientWidth, height: HEIGHT });
  }
}

/** Where an axis ends that has all of these below it; `room` keeps curves of the same shape apart. */
function top(values: readonly number[], room: number): number {
  return Math.max(1, ...values) * room;
}
