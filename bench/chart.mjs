// The figures as a picture: a panel for each operation, both axes logarithmic, a line for each subject.

import { OPS, SIZE_LABELS, SIZES, SUBJECTS } from "./micro/ops.mjs";

const COLUMNS = 3;
const PANEL = { width: 300, height: 210 };
const PLOT = { left: 46, top: 34, right: 10, bottom: 30 };
const HEADER = 78;
const FOOTER = 24;
const MARGIN = 16;

// Okabe and Ito's colours, which the colour-blind can tell apart; unshared memory is the same colour, dashed.
const STYLES = {
  "wasm-shared": { colour: "#0072b2", width: 2.6 },
  "wasm-unshared": { colour: "#56b4e9", dash: "5 3" },
  "js-shared": { colour: "#d55e00" },
  "js-unshared": { colour: "#e69f00", dash: "5 3" },
  node: { colour: "#009e73" },
  bl: { colour: "#8c6bb1", dash: "2 3" },
};

function element(name, attributes, content = "") {
  const list = Object.entries(attributes).map(([key, value]) => ` ${key}="${value}"`);
  return `<${name}${list.join("")}>${content}</${name}>`;
}

function text(x, y, content, attributes = {}) {
  return element("text", { x, y, ...attributes }, content.replaceAll("&", "&amp;").replaceAll("<", "&lt;"));
}

function stroke(id) {
  const { colour, width = 1.8, dash } = STYLES[id];
  return {
    stroke: colour,
    "stroke-width": width,
    ...(dash === undefined ? {} : { "stroke-dasharray": dash }),
  };
}

function decadeLabel(exponent) {
  if (exponent < 3) return `${10 ** exponent} ns`;
  return exponent < 6 ? `${10 ** (exponent - 3)} µs` : `${10 ** (exponent - 6)} ms`;
}

/** From values to pixels, logarithmic. */
function scale([from, to], [start, end]) {
  const factor = (end - start) / (Math.log(to) - Math.log(from));
  return (value) => (start + (Math.log(value) - Math.log(from)) * factor).toFixed(1);
}

function panel({ id, title }, ns, left, top) {
  const values = SUBJECTS.flatMap((subject) => Object.values(ns[subject.id][id] ?? {}));
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(Math.ceil(Math.log10(Math.max(...values))), low + 2);
  const x0 = left + PLOT.left;
  const x1 = left + PANEL.width - PLOT.right;
  const y0 = top + PANEL.height - PLOT.bottom;
  const y1 = top + PLOT.top;
  const x = scale([SIZES[0], SIZES.at(-1)], [x0 + 6, x1 - 6]);
  const y = scale([10 ** low, 10 ** high], [y0, y1]);

  const parts = [text(left + 6, top + 18, title.replace(/ \(.*/, ""), { class: "title" })];
  for (let exponent = low; exponent <= high; exponent++) {
    const at = y(10 ** exponent);
    parts.push(element("line", { x1: x0, x2: x1, y1: at, y2: at, class: "grid" }));
    parts.push(text(x0 - 5, Number(at) + 3.5, decadeLabel(exponent), { "text-anchor": "end" }));
  }
  SIZES.forEach((size, i) => {
    parts.push(element("line", { x1: x(size), x2: x(size), y1: y0, y2: y0 + 4, class: "tick" }));
    parts.push(text(x(size), y0 + 16, SIZE_LABELS[i], { "text-anchor": "middle" }));
  });
  // The first subject last, so that its line lies on top.
  for (const subject of [...SUBJECTS].reverse()) {
    const times = ns[subject.id][id];
    if (times === undefined) continue;
    const points = SIZES.filter((size) => times[size] !== undefined).map((size) => [x(size), y(times[size])]);
    parts.push(
      element("polyline", { points: points.map((p) => p.join(",")).join(" "), ...stroke(subject.id) }),
    );
    for (const [cx, cy] of points)
      parts.push(element("circle", { cx, cy, r: 2, fill: STYLES[subject.id].colour }));
  }
  return parts.join("\n");
}

function legend(top) {
  let left = MARGIN + 6;
  return SUBJECTS.map(({ id, title }) => {
    const entry = [
      element("line", { x1: left, x2: left + 24, y1: top, y2: top, ...stroke(id) }),
      text(left + 30, top + 4, title, { class: "legend" }),
    ];
    // There is no measuring of text here: 7.2 pixels are more than a letter of this size takes in the common fonts.
    left += 30 + title.length * 7.2 + 18;
    return entry.join("\n");
  }).join("\n");
}

export function chart({ ns, node, cpu, date }) {
  const width = COLUMNS * PANEL.width + 2 * MARGIN;
  const height = HEADER + Math.ceil(OPS.length / COLUMNS) * PANEL.height + FOOTER;
  const panels = OPS.map((op, i) =>
    panel(op, ns, MARGIN + (i % COLUMNS) * PANEL.width, HEADER + Math.floor(i / COLUMNS) * PANEL.height),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">
<style>
text { font: 11px system-ui, "DejaVu Sans", sans-serif; fill: #555 }
.head { font-size: 16px; font-weight: 600; fill: #111 }
.title { font-size: 12.5px; font-weight: 600; fill: #222 }
.legend { font-size: 12px; fill: #222 }
.grid { stroke: #e4e4e4 }
.tick { stroke: #999 }
polyline { fill: none; stroke-linejoin: round }
</style>
<rect width="100%" height="100%" fill="#fff"/>
${text(MARGIN + 6, 28, "Time an operation takes, by bytes of payload (lower is better)", { class: "head" })}
${legend(54)}
${panels.join("\n")}
${text(MARGIN + 6, height - 10, `Node ${node}, ${cpu}, ${date.slice(0, 10)}. Both axes logarithmic.`)}
</svg>
`;
}
