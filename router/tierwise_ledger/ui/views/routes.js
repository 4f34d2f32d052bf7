import { code, empty, h, select } from "../dom.js";
import { count, percent } from "../format.js";
import { sankey } from "../sankey.js";

const tile = (name, value) => h("div", { class: "tile" }, h("dt", {}, name), h("dd", {}, value));

function tiles(said) {
  const ended = {};
  for (const link of said.links) {
    const target = said.nodes[link.target];
    if (target.role === "state") ended[target.name] = (ended[target.name] ?? 0) + link.requests;
  }
  const share = (...names) => percent(names.reduce((sum, one) => sum + (ended[one] ?? 0), 0) / said.shown, 1);
  return h("dl", { class: "tiles" }, tile("Requests", count(said.requests)),
    tile("Accepted at once", share("accepted")), tile("After escalation", share("escalated", "repaired")),
    tile("Abstained or refused", share("abstained", "human_review", "refused")), tile("Failed", share("failed")));
}

export const nothing = (what) => empty(`No ${what} in this time`, "The ledger has none of it.", [
  "Choose a longer time above.",
  ["Ask something: ", code('tierwise ask "sort dbca"')],
  ["See whether the routers send what they record: they need ", code("TIERWISE_LEDGER_URL"), ", which the chart sets."],
]);

export async function routes({ ask, since, query, go }) {
  const said = await ask("paths", { since, tenant: query.tenant, field: query.field });
  const fields = said.nodes.filter((one) => one.role === "field" && !one.name.startsWith("(")).map((one) => one.name);
  if (query.field && !fields.includes(query.field)) fields.push(query.field);
  const head = [h("h1", {}, "Routes"),
    h("p", { class: "lead" }, "Each request from its field over the Specialists that were asked, in order, to how it ended. "
      + (said.shown < said.requests ? `These are the newest ${count(said.shown)} of ${count(said.requests)}.` : "")),
    h("div", { class: "row" }, select("Field", "field", [["", "all fields"], ...fields.map((one) => [one, one])],
      query.field ?? "", (field) => go({ field })))];
  if (!said.requests) return [...head, nothing("request")];
  return [...head, tiles(said), h("section", { class: "card" }, sankey(said))];
}
