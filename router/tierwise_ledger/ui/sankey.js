// Requests on their way: boxes in columns, ribbons as thick as the requests they stand for.

import { figures, fitted, h, s } from "./dom.js";
import { count, percent, state } from "./format.js";

const BOX = 12, GAP = 14, TOP = 26, LABEL = 150;
const ORDER = ["accepted", "relayed", "asked", "escalated", "abstained", "failed"];
const WORDS = {
  asked: "asked first", accepted: "accepted", escalated: "not sure enough: escalated",
  failed: "failed", abstained: "abstained", relayed: "passed on, not judged",
};

const label = (node) => (node.role === "state" ? state(node.name)[0] : node.name);

/** Gives each node its place and each link its two ends; sizes are in pixels. */
export function layout({ nodes, links }, width, height) {
  const columns = Math.max(...nodes.map((one) => one.column)) + 1;
  const placed = nodes.map((one) => ({ ...one, in: 0, out: 0 }));
  for (const link of links) {
    placed[link.source].out += link.requests;
    placed[link.target].in += link.requests;
  }
  for (const one of placed) one.requests = Math.max(one.in, one.out);
  const byColumn = Array.from({ length: columns }, (_, column) =>
    placed.filter((one) => one.column === column).toSorted((a, b) => b.requests - a.requests));
  const unit = Math.min(...byColumn.map((found) => {
    const total = found.reduce((sum, one) => sum + one.requests, 0);
    return (height - TOP - GAP * found.length) / (total || 1);
  }));
  byColumn.forEach((found, column) => {
    let y = TOP;
    for (const one of found) {
      one.x = columns > 1 ? (column / (columns - 1)) * (width - LABEL - BOX) : 0;
      one.y = y;
      one.height = Math.max(2, one.requests * unit);
      one.into = one.from = y;
      y += one.height + GAP;
    }
  });
  const order = links.map((link, at) => ({ ...link, at })).toSorted((a, b) =>
    placed[a.source].y - placed[b.source].y || placed[a.target].y - placed[b.target].y
    || ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
  const ends = [];
  for (const link of order) {
    const thick = Math.max(0.8, link.requests * unit);
    ends[link.at] = { thick, from: placed[link.source].from };
    placed[link.source].from += thick;
  }
  for (const link of order.toSorted((a, b) => placed[a.source].y - placed[b.source].y)) {
    ends[link.at].into = placed[link.target].into;
    placed[link.target].into += ends[link.at].thick;
  }
  return { placed, ends };
}

function ribbon(source, target, end) {
  const x0 = source.x + BOX, x1 = target.x, mid = (x0 + x1) / 2;
  const [a, b, thick] = [end.from, end.into, end.thick];
  return `M${x0} ${a}C${mid} ${a} ${mid} ${b} ${x1} ${b}V${b + thick}`
    + `C${mid} ${b + thick} ${mid} ${a + thick} ${x0} ${a + thick}Z`;
}

function words(flow, link) {
  const [source, target] = [flow.nodes[link.source], flow.nodes[link.target]];
  return `${label(source)} → ${label(target)}: ${count(link.requests)} requests, ${WORDS[link.kind] ?? link.kind}`;
}

function draw(flow, given) {
  const width = Math.max(640, given);
  const height = Math.max(300, 44 * Math.max(...flow.nodes.map((one) =>
    flow.nodes.filter((other) => other.column === one.column).length)) + 120);
  const { placed, ends } = layout(flow, width, height);
  const last = Math.max(...flow.nodes.map((one) => one.column));
  const heads = placed.reduce((found, one) => found.set(one.column, one), new Map());
  return s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": "Requests from their fields over the Specialists that were asked to how they ended; the figures are below" },
  [...heads.values()].map((one) => s("text", { x: one.x, y: 12 },
    one.role === "field" ? "field" : one.role === "state" ? "ended" : `asked ${["first", "second", "third", "fourth"][one.column - 1] ?? ""}`)),
  flow.links.map((link, at) => s("path", { class: `ribbon k-${link.kind}`,
    d: ribbon(placed[link.source], placed[link.target], ends[at]) }, s("title", {}, words(flow, link)))),
  placed.map((one) => [
    s("rect", { class: "node", x: one.x, y: one.y, width: BOX, height: one.height, rx: 2 },
      s("title", {}, `${label(one)}: ${count(one.requests)}`)),
    s("text", { class: "name", x: one.x + BOX + 6, y: one.y + Math.max(10, Math.min(one.height / 2 + 4, one.height)) },
      label(one), s("tspan", { dx: 6, class: "quiet" }, count(one.requests))),
    one.column === last && null,
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
