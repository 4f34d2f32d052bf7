import { h, select, table } from "../dom.js";
import { count, fixed, moment, seconds, short, state, usd } from "../format.js";
import { nothing } from "./routes.js";

const MOST = 200;
const STATES = ["accepted", "escalated", "repaired", "relayed", "abstained", "human_review", "refused", "failed"];

export const badge = (name) => h("span", { class: `badge ${state(name)[1]}` }, state(name)[0]);

const word = (row) => (row.feedback === null ? "" : row.feedback ? h("span", { class: "good" }, "said right")
  : h("span", { class: "bad" }, "said wrong"));

function find(open) {
  const field = h("input", { name: "id", placeholder: "d-…", size: 26, required: true });
  return h("form", { onsubmit: (event) => { event.preventDefault(); open(field.value.trim()); } },
    h("label", {}, "Open by name", h("span", {}, field, " ", h("button", { type: "submit" }, "Open"))));
}

export async function decisions({ ask, since, query, go }) {
  const { state: chosen, tenant, field, specialist } = query;
  const limit = Number(query.limit ?? 30);
  const said = (await ask("decisions", { since, state: chosen, tenant, field, specialist, limit })).decisions;
  const open = (id) => { location.hash = `#/decision/${encodeURIComponent(id)}`; };
  const head = [h("h1", {}, "Decisions"),
    h("p", { class: "lead" }, "The newest first. Each opens with its whole story."),
    h("div", { class: "row" },
      select("Ended", "state", [["", "in any way"], ...STATES.map((one) => [one, state(one)[0]])], chosen ?? "", (value) => go({ state: value })),
      find(open))];
  if (!said.length) return [...head, nothing("decision")];
  return [...head, h("section", { class: "card" }, table("Decisions", [
    { name: "When", of: (row) => h("a", { href: `#/decision/${encodeURIComponent(row.id)}` }, moment(row.at)) },
    { name: "Ended", of: (row) => badge(row.state) },
    { name: "Field", of: (row) => row.field || "–" },
    { name: "Answered by", of: (row) => (row.specialist ? `${short(row.specialist)} · ${row.tier}` : "–") },
    { name: "Confidence", n: true, of: (row) => fixed(row.confidence) },
    { name: "Calls", n: true, of: (row) => count(row.calls) },
    { name: "Took", n: true, of: (row) => seconds(row.seconds) },
    { name: "USD", n: true, of: (row) => usd(row.usd) },
    { name: "Feedback", of: word },
  ], said, { stack: true }), said.length === limit && limit < MOST
    && h("p", {}, h("button", { type: "button", onclick: () => go({ limit: Math.min(MOST, limit + 60) }) }, "Show more")))];
}
