import { h, select, table } from "../dom.js";
import { count, usd } from "../format.js";
import { lineChart } from "../line_chart.js";
import { nothing } from "./routes.js";

const BY = [["field", "Field"], ["tenant", "Tenant"], ["specialist", "Specialist"], ["tier", "Tier"], ["workload", "Workload"]];

const IDLE = [["holder", "who held them"], ["fleet", "everybody"], ["apart", "nobody"]];

export async function costs({ ask, since, query, go }) {
  const by = query.by ?? "field";
  const idle = query.idle ?? "holder";
  const said = await ask("costs", { since, by, idle });
  const head = [h("h1", {}, "Cost per accepted answer"),
    h("p", { class: "lead" }, said.money === "bill"
      ? "The fleet's whole bill, idle GPUs and providers included, over the answers that were accepted: what tierwise cost tells. The last point may be of a time that is not over."
      : "What the calls themselves cost, escalations and failures included, over the answers that were accepted. The ledger never saw the fleet, so idle GPUs are not in it."),
    h("div", { class: "row" }, select("By", "by", BY, by, (value) => go({ by: value })),
      said.money === "bill" && select("Idle GPUs are paid by", "idle", IDLE, idle, (value) => go({ idle: value })))];
  if (!said.lines.length) return [...head, nothing("request")];
  const all = [said.together, ...said.lines];
  const chart = (title, pick, format, from) => h("section", { class: "card" }, h("h2", {}, title), lineChart({
    title, begins: said.begins, bucketSeconds: said.bucketSeconds, format,
    lines: from.map((one) => ({ name: one.name, values: pick(one), index: all.indexOf(one) })),
  }));
  const answering = all.filter((one) => one.total.requests > 0);
  return [...head,
    chart("USD per accepted answer", (one) => one.usdPerAccepted, usd, answering),
    h("section", { class: "card" }, h("h2", {}, "Over the whole time"), table("Costs over the whole time", [
      { name: BY.find(([value]) => value === by)[1], of: (one) => one.name },
      { name: "Requests", n: true, of: (one) => count(one.total.requests) },
      { name: "Accepted", n: true, of: (one) => count(one.total.accepted) },
      { name: "USD", n: true, of: (one) => usd(one.total.usd) },
      { name: "USD per accepted", n: true, of: (one) => usd(one.total.usdPerAccepted) },
    ], all, { stack: true })),
    chart("USD spent", (one) => one.usd, usd, said.lines),
    chart("Accepted answers", (one) => one.accepted, count, answering)];
}
