// The figures as pictures.

import { parse, textMetrics, View } from "vega";
import { compile } from "vega-lite";
import { DEVICES, PATHS, TABLE_SIZES } from "./plan.mjs";

const FONT = 'system-ui, "DejaVu Sans", sans-serif';

// Okabe and Ito's colours, which the colour-blind can tell apart; each path has a shape of its own besides.
const STYLES = {
  "zero-copy": { colour: "#0072b2", shape: "circle", dash: [1, 0] },
  "engine-copy": { colour: "#56b4e9", shape: "square", dash: [5, 3] },
  "post-copy": { colour: "#d55e00", shape: "triangle-up", dash: [1, 0] },
  "post-transfer": { colour: "#e69f00", shape: "diamond", dash: [5, 3] },
};
/** From the one that lends the memory to the one that gets the bytes. */
const ROLES = [
  { id: "guest", title: "guest", colour: "#0072b2" },
  { id: "host", title: "host", colour: "#56b4e9" },
  { id: "device", title: "device", colour: "#009e73" },
  { id: "other", title: "helper threads (GC, JIT)", colour: "#bbbbbb" },
  { id: "peer", title: "peer process", colour: "#f0e442" },
];

/** Gb/s */
const DECADES = [0.01, 0.1, 1, 10, 100, 1000];

const drawn = PATHS.filter(({ id }) => STYLES[id] !== undefined);
const titles = drawn.map(({ title }) => title);
const titleOf = (id) => PATHS.find((path) => path.id === id).title;
const stylesOf = (key) => drawn.map(({ id }) => STYLES[id][key]);
/** 4096 as 4 KiB. */
const sizeLabel = (size) => (size < 4096 ? `${size} B` : `${Math.round(size / 1024)} KiB`);

// Its own background, so that it can be read on a dark page as well.
const CONFIG = {
  background: "#fff",
  // What a screen reader would be told of each point takes more room than the picture; the tables say it better.
  aria: false,
  padding: 14,
  font: FONT,
  title: {
    anchor: "start",
    fontSize: 15,
    color: "#111",
    subtitleColor: "#555",
    subtitleFontSize: 11,
    offset: 12,
  },
  header: {
    labelFontSize: 12.5,
    labelFontWeight: 600,
    labelColor: "#222",
    title: null,
    labelAnchor: "start",
  },
  axis: {
    labelColor: "#555",
    titleColor: "#555",
    titleFontWeight: "normal",
    gridColor: "#e4e4e4",
    domainColor: "#999",
    tickColor: "#999",
  },
  legend: {
    orient: "top",
    title: null,
    labelColor: "#222",
    labelFontSize: 12,
    symbolSize: 90,
    labelLimit: 0,
  },
  view: { stroke: null },
};

// There is no measuring of text without a canvas, and what vega takes instead is too much by half: this is what letters take in
// the common fonts.
textMetrics.width = ({ fontSize = 11 }, text) => String(text ?? "").length * fontSize * 0.56;

async function draw(spec) {
  const { spec: vega } = compile({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    config: CONFIG,
    ...spec,
  });
  const view = new View(parse(vega), { renderer: "none" });
  return `${await view.toSVG()}\n`;
}

const where = ({ node, cpu, date, rounds }) =>
  `Node ${node}, ${cpu}, ${date.slice(0, 10)}. Medians of ${rounds} rounds`;

/** A panel for each device, a line for each path. */
function throughput(results) {
  const values = results.cases
    .filter(({ mode, path }) => mode === "stream" && STYLES[path] !== undefined)
    .map(({ device, path, size, gbps }) => ({
      device: DEVICES.find(({ id }) => id === device).title,
      path: titleOf(path),
      size,
      gbps: gbps.median,
      low: gbps.low,
      high: gbps.high,
    }));
  const x = {
    field: "size",
    type: "quantitative",
    scale: { type: "log", base: 2, nice: false, padding: 8 },
    axis: {
      title: "bytes of a message",
      values: [256, 1500, 4096, 16384, 65536],
      labelExpr: "datum.value < 4096 ? datum.value + ' B' : datum.value / 1024 + ' KiB'",
      grid: false,
    },
  };
  const scale = { domain: titles, range: stylesOf("colour") };
  const color = { field: "path", type: "nominal", scale, sort: titles };
  const y = {
    field: "gbps",
    type: "quantitative",
    scale: { type: "log" },
    axis: { title: "Gb/s", format: "~g", values: DECADES },
  };
  return draw({
    title: {
      text: "Throughput of messages through three threads, by size (higher is better)",
      subtitle: `${where(results)}, with their quartiles. Both axes logarithmic.`,
    },
    data: { values },
    facet: { field: "device", type: "nominal", sort: DEVICES.map(({ title }) => title) },
    columns: 2,
    spacing: { row: 26, column: 30 },
    resolve: { scale: { y: "independent" }, axis: { x: "independent" } },
    spec: {
      width: 330,
      height: 210,
      layer: [
        {
          mark: { type: "rule", strokeWidth: 1.2, opacity: 0.7 },
          encoding: {
            x,
            y: { ...y, field: "low" },
            y2: { field: "high" },
            color,
          },
        },
        {
          mark: { type: "line", strokeWidth: 2 },
          encoding: {
            x,
            y,
            color,
            strokeDash: {
              field: "path",
              type: "nominal",
              sort: titles,
              scale: { domain: titles, range: stylesOf("dash") },
            },
          },
        },
        {
          mark: { type: "point", filled: true, size: 55, opacity: 1 },
          encoding: {
            x,
            y,
            color,
            shape: {
              field: "path",
              type: "nominal",
              sort: titles,
              scale: { domain: titles, range: stylesOf("shape") },
            },
          },
        },
      ],
    },
  });
}

/** Bars of CPU time a KiB over tcp, made up of the roles'. */
function cpu(results) {
  const values = results.cases
    .filter(
      ({ mode, device, path, size }) =>
        mode === "stream" && device === "tcp" && STYLES[path] !== undefined && TABLE_SIZES.includes(size),
    )
    .flatMap(({ path, size, roles, other }) =>
      ROLES.map(({ id, title }, order) => ({
        size: sizeLabel(size),
        path: titleOf(path),
        role: title,
        order,
        ns: (id === "other" ? other : roles[id].cpu).median,
      })),
    );
  return draw({
    title: {
      text: "CPU time for a KiB through a TCP socket, by thread (lower is better)",
      subtitle: `${where(results)}. Each size has a scale of its own.`,
    },
    data: { values },
    facet: { field: "size", type: "nominal", sort: TABLE_SIZES.map(sizeLabel) },
    columns: 2,
    spacing: { row: 26, column: 30 },
    resolve: { scale: { x: "independent" }, axis: { x: "independent", y: "independent" } },
    spec: {
      width: 250,
      height: 120,
      mark: { type: "bar", stroke: "#fff", strokeWidth: 1 },
      encoding: {
        y: {
          field: "path",
          type: "nominal",
          sort: titles,
          axis: { title: null, domain: false, ticks: false, labelLimit: 0 },
        },
        x: { field: "ns", type: "quantitative", axis: { title: "nanoseconds a KiB", tickCount: 4 } },
        color: {
          field: "role",
          type: "nominal",
          sort: ROLES.map(({ title }) => title),
          scale: { domain: ROLES.map(({ title }) => title), range: ROLES.map(({ colour }) => colour) },
        },
        order: { field: "order", type: "quantitative" },
      },
    },
  });
}

/** The pictures by the names of their files. */
export async function drawAll(results) {
  return { "stream-throughput.svg": await throughput(results), "stream-cpu.svg": await cpu(results) };
}
