// Lines over time, with a band where one is known: drawn by hand, read by pointer or arrow keys.

import { figures, fitted, h, s } from "./dom.js";
import { axis, moment, tick } from "./format.js";

const EDGE = { left: 46, right: 14, top: 10, bottom: 26 };
const CHARACTER = 7.2;
const ROW = 15;
/** Eight colours, and grey for what is not one thing; from there on they come again. */
const COLOURS = 9;

const lineStyle = (line) => `line s${line.index % COLOURS} d${line.index % 4}`;
const fillStyle = (line) => `f${line.index % COLOURS}`;

/** Round steps for an axis: at most `most` of 1, 2 or 5 times a power of ten. */
export function ticks(low, high, most = 5) {
  const rough = (high - low || 1) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough * 0.999);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at += 1) found.push(at * step + 0);
  return found;
}

/** Names below the axis, as many as fit; none says again what the one before it said. */
export function times(begins, each, spanSeconds) {
  const named = begins.map((begin, index) => ({ index, text: tick(begin, spanSeconds) }))
    .filter(({ index, text }) => index === 0 || text !== tick(begins[index - 1], spanSeconds));
  return named.reduce((kept, one) =>
    (kept.length && one.index - kept.at(-1).index < each ? kept : [...kept, one]), []);
}

function range(lines, fixedRange) {
  if (fixedRange) return fixedRange;
  const values = lines.flatMap((one) => [...one.values, ...(one.low ?? []), ...(one.high ?? [])])
    .filter((value) => value !== null && value !== undefined);
  const high = Math.max(...values, 0);
  return [0, high > 0 ? high * 1.06 : 1];
}

const isKnown = (values, at) => (values[at] ?? null) !== null;
const known = (values) => values.map((_, at) => at).filter((at) => isKnown(values, at));

/** Pieces of a line without its gaps; a point alone has no line. */
function trace(values, x, y) {
  return known(values).map((at) => `${isKnown(values, at - 1) ? "L" : "M"}${x(at).toFixed(1)} ${y(values[at]).toFixed(1)}`).join("");
}

/** Points with a gap on both sides: each is a dot. */
const alone = (values) => known(values).filter((at) => !isKnown(values, at - 1) && !isKnown(values, at + 1));

/** The values of lines that are one point, beside their dots; those of one time stand below each other. */
function labels(lines, x, y, { format, middle, bottom }) {
  const found = lines.filter((one) => known(one.values).length === 1).map((line) => {
    const at = known(line.values)[0];
    return { at, text: format(line.values[at]), y: y(line.values[at]) + 4 };
  }).sort((one, other) => one.at - other.at || one.y - other.y);
  const follows = (one, other) => one && other && one.at === other.at;
  found.forEach((one, n) => { if (follows(found[n - 1], one)) one.y = Math.max(one.y, found[n - 1].y + ROW); });
  found.toReversed().forEach((one, n) => {
    const below = found[found.length - n];
    one.y = Math.min(one.y, follows(below, one) ? below.y - ROW : bottom);
  });
  return found.map((one) => s("text", x(one.at) > middle
    ? { class: "name", x: x(one.at) - 9, y: one.y, "text-anchor": "end" }
    : { class: "name", x: x(one.at) + 9, y: one.y }, one.text));
}

function band(line, x, y) {
  const both = known(line.low).filter((at) => isKnown(line.high, at));
  if (both.length < 2) return "";
  const top = both.map((at) => `${x(at).toFixed(1)} ${y(line.high[at]).toFixed(1)}`);
  const bottom = both.toReversed().map((at) => `${x(at).toFixed(1)} ${y(line.low[at]).toFixed(1)}`);
  return `M${[...top, ...bottom].join("L")}Z`;
}

/** chart({title, begins, bucketSeconds, lines: [{name, values, low, high}], format, range}) */
export function lineChart({ title, begins, bucketSeconds, lines: given, format, range: fixedRange = null }) {
  // A line may bring its colour along, so that it has the same one in every chart of a page.
  const lines = given.map((line, at) => ({ index: at, ...line }));
  const hidden = new Set();
  let at = null;
  const reading = h("p", { class: "reading", role: "status", "aria-live": "polite" },
    "Point at the chart, or press ← and → on it, to read its values.");
  const shown = () => lines.filter((_, at) => !hidden.has(at));

  const read = (index) => {
    at = Math.max(0, Math.min(begins.length - 1, index));
    const values = shown().map((one) => `${one.name} ${format(one.values[at])}`).join(" · ");
    reading.replaceChildren(h("b", {}, moment(begins[at])), ` ${values}`);
    place.redraw();
  };

  const place = fitted((width) => {
    const height = width < 520 ? 220 : 280;
    const [low, high] = range(shown(), fixedRange);
    const levels = ticks(low, high);
    const steps = levels.map((value) => axis(format, value, levels));
    const left = Math.max(EDGE.left, 12 + CHARACTER * Math.max(...steps.map((one) => one.length)));
    const inner = width - left - EDGE.right;
    const x = (index) => left + (begins.length > 1 ? (index / (begins.length - 1)) * inner : inner / 2);
    const y = (given) => height - EDGE.bottom - ((Math.max(low, Math.min(high, given)) - low) / (high - low || 1)) * (height - EDGE.top - EDGE.bottom);
    const spanSeconds = begins.length * bucketSeconds;
    const each = Math.max(1, Math.ceil(begins.length / Math.max(2, Math.floor(inner / 90))));
    const near = (event) => {
      const box = event.currentTarget.getBoundingClientRect();
      const share = ((event.clientX - box.left) * (width / box.width) - left) / inner;
      return Math.round(share * (begins.length - 1));
    };
    return s("svg", {
      viewBox: `0 0 ${width} ${height}`, width, height, role: "img", tabindex: 0, "aria-label":
        `${title}: ${lines.length} line${lines.length === 1 ? "" : "s"} from ${moment(begins[0])} to ${moment(begins.at(-1))}; the figures are below`,
      onpointermove: (event) => { const to = near(event); if (to !== at) read(to); },
      onkeydown: (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (step === undefined) return;
        event.preventDefault();
        read((at ?? (step > 0 ? -1 : begins.length)) + step);
        place.firstChild.focus();
      },
    },
    levels.map((value, at) => [
      s("line", { class: "grid", x1: left, x2: width - EDGE.right, y1: y(value), y2: y(value) }),
      s("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, steps[at]),
    ]),
    times(begins, each, spanSeconds).map(({ index, text }) => s("text",
      { x: x(index), y: height - 6, "text-anchor": index === 0 ? "start" : x(index) > width - 40 ? "end" : "middle" }, text)),
    shown().map((one) => one.low && s("path", { class: `band ${fillStyle(one)}`, d: band(one, x, y) })),
    shown().map((one) => s("path", { class: lineStyle(one), d: trace(one.values, x, y) })),
    shown().map((one) => alone(one.values).map((at) =>
      s("circle", { class: `point ${fillStyle(one)}`, cx: x(at), cy: y(one.values[at]), r: 4 }))),
    labels(shown(), x, y, { format, middle: left + inner * 0.6, bottom: height - EDGE.bottom - 4 }),
    at !== null && s("line", { class: "cross", x1: x(at), x2: x(at), y1: EDGE.top, y2: height - EDGE.bottom }),
    at !== null && shown().map((one) => (one.values[at] ?? null) !== null
      && s("circle", { class: fillStyle(one), cx: x(at), cy: y(one.values[at]), r: 4 })));
  });

  const legend = h("ul", { class: "legend" }, lines.map((line, index) => h("li", {}, h("button", {
    type: "button", "aria-pressed": "true", title: "Show or hide this line",
    onclick: (event) => {
      if (!hidden.delete(index)) hidden.add(index);
      event.currentTarget.setAttribute("aria-pressed", String(!hidden.has(index)));
      place.redraw();
    },
  }, s("svg", { viewBox: "0 0 26 10", "aria-hidden": "true" },
    s("path", { class: lineStyle(line), d: "M1 5H25" })), line.name))));

  const rows = begins.map((begin, index) => ({ begin, index }))
    .filter(({ index }) => lines.some((one) => (one.values[index] ?? null) !== null));
  return h("figure", {}, h("figcaption", { class: "unseen" }, title), legend, place, reading,
    figures(title, [
      { name: "Begins", of: (row) => moment(row.begin) },
      ...lines.map((one) => ({ name: one.name, n: true, of: (row) => format(one.values[row.index]) })),
    ], rows));
}
