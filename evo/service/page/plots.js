// Pictures: a function, a front, an error curve. Each fills the width of its place, and goes with it.

import { h } from "./dom.js";

const COLOURS = ["--b", "--c", "--d", "--e", "--f"];
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const short = (v) => (v == null ? "" : v === 0 ? "0" : Math.abs(v) < 1e-3 || Math.abs(v) >= 1e5 ? v.toExponential(0) : String(+v.toPrecision(4)));
const decade = (v) => (v == null ? "" : v.toExponential(0));

// A place for a picture, with words for those who do not see it.
export function place(words) {
  return h("div", { class: "plot", role: "img", "aria-label": words });
}

function axis(label, values) {
  return {
    label, values: values && ((u, splits) => splits.map(values)), size: label ? 62 : 40, labelSize: 20,
    stroke: colour("--dim"), grid: { stroke: colour("--edge"), width: 1 }, ticks: { stroke: colour("--edge") },
  };
}

function draw(where, options, data) {
  where.replaceChildren();
  const size = () => ({ width: Math.max(where.clientWidth, 240), height: Math.max(220, Math.min(340, where.clientWidth * 0.55)) });
  const made = new uPlot({ ...size(), pxAlign: 0, cursor: { drag: { x: false, y: false } }, ...options }, data, where);
  const watch = new ResizeObserver(() => (where.isConnected ? made.setSize(size()) : watch.disconnect()));
  watch.observe(where);
  return made;
}

const across = { time: false };
// Only whole decades: lines between them would say nothing more.
const decades = (u, i, low, high) => {
  const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9);
  const step = Math.max(1, Math.ceil((last - first) / 8));
  return Array.from({ length: Math.max(0, Math.floor((last - first) / step) + 1) }, (_, k) => 10 ** (first + k * step));
};
const line = (label, name, more = {}) => ({ label, stroke: colour(name), width: 2, points: { show: false }, ...more });

// y over x.
export function drawFunction(where, x, y, label) {
  draw(where, {
    legend: { show: false }, scales: { x: across }, axes: [axis("", short), axis("", short)],
    series: [{}, line(label, "--a")],
  }, [x, y]);
}

// Errors over operations: members, and classical forms by family as [[ops, error], ...].
export function drawFront(where, members, families) {
  const lines = [["found here", members.map((m) => [m.ops, m.sampled_error])], ...Object.entries(families)]
    .map(([name, points]) => [name, new Map(points.filter(([, e]) => e > 0))])
    .filter(([, points]) => points.size);
  if (!lines.length) return;
  const x = [...new Set(lines.flatMap(([, points]) => [...points.keys()]))].sort((a, b) => a - b);
  const series = lines.map(([name], i) => line(name, i ? COLOURS[(i - 1) % COLOURS.length] : "--a", {
    spanGaps: true, width: i ? 1.5 : 2.5, dash: i ? [5, 4] : undefined, points: { show: true, size: i ? 5 : 8 },
  }));
  const room = { range: (u, low, high) => [low - 0.5, high + 0.5], time: false };
  draw(where, {
    scales: { x: room, y: { distr: 3 } }, series: [{ label: "operations" }, ...series],
    axes: [{ ...axis("operations", (v) => (Number.isInteger(v) ? String(v) : "")), size: 44 }, { ...axis("largest error", decade), splits: decades }],
  }, [x, ...lines.map(([, points]) => x.map((ops) => points.get(ops) ?? null))]);
}

// The signed error over x, between lines at plus and minus the bound.
export function drawCurve(where, curve, bound, label) {
  const flat = (value) => curve.x.map(() => value);
  const limits = bound == null ? [] : [flat(bound), flat(-bound)];
  draw(where, {
    scales: { x: across }, axes: [axis("", short), axis("", short)],
    series: [{}, line(label, "--a"), ...limits.map((_, i) => line(i ? "" : "proved bound", "--b", { width: 1.5, dash: [5, 4] }))],
    legend: { show: false },
  }, [curve.x, curve.error, ...limits]);
}
