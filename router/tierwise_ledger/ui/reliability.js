// What confidence said beside what came of it: on the diagonal, confidence can be taken at its word.

import { figures, fitted, h, s } from "./dom.js";
import { count, percent } from "./format.js";

const EDGE = 62;

function draw(curve, given) {
  const size = Math.min(given, 420);
  const inner = size - EDGE - 24;
  const x = (value) => EDGE + value * inner, y = (value) => size - EDGE - value * inner;
  const most = Math.max(...curve.bins.map((one) => one.count));
  const points = curve.bins.map((one) => `${x(one.predicted).toFixed(1)} ${y(one.accepted).toFixed(1)}`);
  return s("svg", { viewBox: `0 0 ${size} ${size}`, width: size, height: size, role: "img",
    "aria-label": `Reliability of ${curve.specialist} in ${curve.field}: ${curve.bins.map((one) =>
      `said ${percent(one.predicted)}, was right ${percent(one.accepted)}`).join("; ")}` },
  [0, 0.25, 0.5, 0.75, 1].map((value) => [
    s("line", { class: "grid", x1: x(0), x2: x(1), y1: y(value), y2: y(value) }),
    s("text", { x: EDGE - 8, y: y(value) + 4, "text-anchor": "end" }, percent(value)),
    s("text", { x: x(value), y: size - EDGE + 18, "text-anchor": "middle" }, percent(value)),
  ]),
  s("text", { x: x(0.5), y: size - 6, "text-anchor": "middle" }, "confidence"),
  s("text", { transform: `translate(11 ${y(0.5)}) rotate(-90)`, "text-anchor": "middle" }, "accepted"),
  s("path", { class: "diagonal", d: `M${x(0)} ${y(0)}L${x(1)} ${y(1)}` }),
  s("path", { class: "line s0", d: `M${points.join("L")}` }),
  curve.bins.map((one) => s("circle", { class: "f0", cx: x(one.predicted), cy: y(one.accepted), r: 3 + 6 * Math.sqrt(one.count / most) },
    s("title", {}, `said ${percent(one.predicted, 1)}, right ${percent(one.accepted, 1)} of ${count(one.count)}`))));
}

export const reliability = (curve) => h("figure", {},
  fitted((width) => draw(curve, width)),
  figures(`Reliability of ${curve.specialist} in ${curve.field}`, [
    { name: "Said", n: true, of: (one) => percent(one.predicted, 1) },
    { name: "Was accepted", n: true, of: (one) => percent(one.accepted, 1) },
    { name: "Answers", n: true, of: (one) => count(one.count) },
  ], curve.bins));
