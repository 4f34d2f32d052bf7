// Requests on their way: boxes in columns, ribbons as thick as the requests they stand for.

import { figures, fitted, h, s } from "./dom.js";
import { count, percent, state } from "./format.js";

const BOX = 12, GAP = 14, TOP = 26, CHARACTER = 7;
const ENDS = ["accepted", "escalated", "repaired", "relayed", "human_review", "abstained", "refused", "failed"];
const ORDER = ["accepted", "relayed", "asked", "escalated", "abstained", "failed"];
const WORDS = {
  asked: "asked first", accepted: "accepted", escalated: "not sure enough: escalated",
  failed: "failed", abstained: "abstained", relayed: "passed on, not judged",
};

const label = (node) => (node.role === "state" ? state(node.name)[0] : node.name);

/** Cuts links that pass columns into pieces, with an invisible place in each, so that none crosses a box. */
function pieces({ nodes, links }) {
  const places = nodes.map((one) => ({ ...one, in: 0, out: 0 }));
  const cut = [];
  for (const link of links) {
    let source = link.source;
    for (let column = nodes[link.source].column + 1; column < nodes[link.target].column; column += 1) {
      places.push({ column, passes: link.kind, in: 0, out: 0 });
      cut.push({ ...link, whole: link, source, target: places.length - 1 });
      source = places.length - 1;
    }
    cut.push({ ...link, whole: link, source });
  }
  for (const link of cut) {
    places[link.source].out += link.requests;
    places[link.target].in += link.requests;
  }
  for (const one of places) one.requests = Math.max(one.in, one.out);
  return { places, cut };
}

/** Good ends stay above, bad ones below; between them whoever has its requests from above comes first. */
function rank(one) {
  if (one.role === "state") return ENDS.indexOf(one.name);
  if (!one.passes) return 1;
  return one.passes === "accepted" || one.passes === "relayed" || one.passes === "asked" ? 0 : 2;
}

/** Gives each place and each piece of a link its pixels. */
export function layout(flow, width, height) {
  const { places, cut } = pieces(flow);
  // What stands right of the last boxes: a name and a number.
  const right = 24 + CHARACTER * Math.max(...places.filter((one) => one.role === "state")
    .map((one) => label(one).length + count(one.requests).length));
  const columns = Math.max(...places.map((one) => one.column)) + 1;
  const byColumn = Array.from({ length: columns }, (_, column) => places.filter((one) => one.column === column));
  const unit = Math.min(...byColumn.map((found) => (height - TOP - GAP * found.length)
    / (found.reduce((sum, one) => sum + one.requests, 0) || 1)));
  byColumn.forEach((found, column) => {
    for (const one of found) {
      const into = cut.filter((link) => places[link.target] === one);
      const weight = into.reduce((sum, link) => sum + link.requests, 0);
      one.mean = weight ? into.reduce((sum, link) => sum + link.requests * places[link.source].y, 0) / weight : -one.requests;
    }
    found.sort((a, b) => rank(a) - rank(b) || a.mean - b.mean || b.requests - a.requests);
    let y = TOP;
    for (const one of found) {
      one.x = columns > 1 ? (column / (columns - 1)) * (width - right - BOX) : 0;
      one.y = y;
      one.height = Math.max(one.passes ? 0.8 : 2, one.requests * unit);
      one.into = one.from = y;
      y += one.height + GAP;
    }
  });
  const drawn = cut.map((link) => ({ ...link, thick: Math.max(0.8, link.requests * unit) }));
  for (const link of drawn.toSorted((a, b) => places[a.target].y - places[b.target].y)) {
    link.a = places[link.source].from;
    places[link.source].from += link.thick;
  }
  for (const link of drawn.toSorted((a, b) => places[a.source].y - places[b.source].y)) {
    link.b = places[link.target].into;
    places[link.target].into += link.thick;
  }
  return { places, drawn };
}

function ribbon(source, target, { a, b, thick }) {
  const x0 = source.passes ? source.x + BOX / 2 : source.x + BOX, x1 = target.passes ? target.x + BOX / 2 : target.x;
  const mid = (x0 + x1) / 2;
  return `M${x0} ${a}C${mid} ${a} ${mid} ${b} ${x1} ${b}V${b + thick}`
    + `C${mid} ${b + thick} ${mid} ${a + thick} ${x0} ${a + thick}Z`;
}

function words(flow, link) {
  const [source, target] = [flow.nodes[link.source], flow.nodes[link.target]];
  return `${label(source)} → ${label(target)}: ${count(link.requests)} requests, ${WORDS[link.kind] ?? link.kind}`;
}

const head = (one) => ({ field: "field", state: "ended" }[one.role]
  ?? `asked ${["first", "second", "third", "fourth"][one.column - 1]}`);

function draw(flow, given) {
  const width = Math.max(640, given);
  const height = Math.max(300, 44 * Math.max(...flow.nodes.map((one) =>
    flow.nodes.filter((other) => other.column === one.column).length)) + 120);
  const { places, drawn } = layout(flow, width, height);
  const boxes = places.filter((one) => !one.passes);
  const heads = boxes.reduce((found, one) => found.set(one.column, one), new Map());
  return s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": "Requests from their fields over the Specialists that were asked to how they ended; the figures are below" },
  [...heads.values()].map((one) => s("text", { x: one.x, y: 12 }, head(one))),
  drawn.map((link) => s("path", { class: `ribbon k-${link.kind}`, d: ribbon(places[link.source], places[link.target], link) },
    s("title", {}, words(flow, link.whole)))),
  boxes.map((one) => [
    s("rect", { class: "node", x: one.x, y: one.y, width: BOX, height: one.height, rx: 2 },
      s("title", {}, `${label(one)}: ${count(one.requests)}`)),
    s("text", { class: "name", x: one.x + BOX + 6, y: one.y + Math.max(10, one.height / 2 + 4) },
      label(one), s("tspan", { dx: 6, class: "number" }, count(one.requests))),
  ]));
}

export function sankey(flow) {
  const total = flow.links.filter((one) => flow.nodes[one.source].column === 0)
    .reduce((sum, one) => sum + one.requests, 0);
  const kinds = ORDER.filter((kind) => flow.links.some((one) => one.kind === kind));
  return h("figure", {}, h("figcaption", { class: "unseen" }, "Routes of requests"),
    fitted((width) => draw(flow, width), { class: "wide flow", tabindex: 0, role: "group", "aria-label": "Routes of requests" }),
    h("p", { class: "keys" }, kinds.map((kind) => h("span", {},
      s("svg", { viewBox: "0 0 14 10", "aria-hidden": "true" }, s("rect", { class: `k-${kind}`, width: 14, height: 10, rx: 2 })),
      ` ${WORDS[kind]}`))),
    figures("Routes of requests", [
      { name: "From", of: (link) => label(flow.nodes[link.source]) },
      { name: "To", of: (link) => label(flow.nodes[link.target]) },
      { name: "What was made of it", of: (link) => WORDS[link.kind] ?? link.kind },
      { name: "Requests", n: true, of: (link) => count(link.requests) },
      { name: "Share", n: true, of: (link) => percent(total ? link.requests / total : null, 1) },
    ], flow.links));
}
