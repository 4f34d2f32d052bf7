import { code, empty, h, select, table } from "../dom.js";
import { count, fixed, moment, percent, short } from "../format.js";
import { lineChart } from "../line_chart.js";

function charts(said) {
  const chart = (title, lead, lines, format, range) => h("section", { class: "card" }, h("h2", {}, title), h("p", { class: "lead" }, lead),
    lineChart({ title, begins: said.begins, bucketSeconds: said.bucketSeconds, format, range, lines }));
  const of = (one, name) => one.points.map((point) => point[name] ?? null);
  const name = (one) => (one.side ? `${one.revision} (${one.side})` : one.revision);
  const values = said.revisions.flatMap((one) => [...of(one, "low"), ...of(one, "high")]).filter((value) => value !== null);
  const low = Math.max(0, Math.floor((Math.min(...values, 1) - 0.02) * 20) / 20);
  return [
    chart("Weight", "The share of this Specialist's calls in this field that went to each revision, beside the share that a Rollout ordered for its candidate.",
      [...said.revisions.map((one) => ({ name: name(one), values: of(one, "share") })), ...wished(said)], percent, [0, 1]),
    chart("U", `Utility with its 95 % interval. A difference of ${fixed(said.noticeable, 3)} counts in this field.`,
      said.revisions.map((one) => ({ name: name(one), values: of(one, "u"), low: of(one, "low"), high: of(one, "high") })),
      (value) => fixed(value, 2), values.length ? [low, 1] : null),
  ];
}

const wished = (said) => (said.ordered.some((one) => one !== null) ? [{ name: "candidate, as ordered", values: said.ordered }] : []);

const rollout = (one) => one.rollout.split("/").pop();

const standing = (found) => (found.length ? [h("section", { class: "card" }, h("h2", {}, "Rollouts"), table("Rollouts", [
  { name: "Rollout", of: rollout },
  { name: "Stage", of: (one) => one.stage ?? "–" },
  { name: "To the candidate", n: true, of: (one) => (one.greenPercent === null || one.greenPercent === undefined ? "–" : `${one.greenPercent} %`) },
  { name: "Since", of: (one) => moment(one.since) },
  { name: "Why", of: (one) => one.why || "–" },
], found, { stack: true }), h("p", { class: "quiet" }, "Steer it: ", code("tierwise rollout pause | resume | promote | abort"), "; ", code("tierwise rollout explain"), " tells every step."))] : []);

const sums = (said) => h("section", { class: "card" }, h("h2", {}, "Side by side"), table("Revisions", [
  { name: "Revision", of: (one) => one.revision },
  { name: "Side", of: (one) => one.side ?? "–" },
  { name: "Asked", n: true, of: (one) => count(one.points.reduce((sum, point) => sum + point.asked, 0)) },
  { name: "Judged", n: true, of: (one) => count(one.points.reduce((sum, point) => sum + point.judged, 0)) },
  { name: "U last", n: true, of: (one) => fixed(one.points.findLast((point) => point.u !== undefined)?.u, 3) },
  { name: "Efficacy", n: true, of: (one) => fixed(one.points.findLast((point) => point.u !== undefined)?.efficacy, 3) },
  { name: "Confidence", n: true, of: (one) => fixed(one.points.findLast((point) => point.u !== undefined)?.confidence, 3) },
  { name: "Curiosity", n: true, of: (one) => fixed(one.points.findLast((point) => point.u !== undefined)?.curiosity, 3) },
], said.revisions, { stack: true }));

const said = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));

const events = (found) => h("section", { class: "card" }, h("h2", {}, "What was done"), found.length ? table("What was done", [
  { name: "When", of: (one) => moment(one.at) },
  { name: "What", of: (one) => one.action },
  { name: "Rollout", of: (one) => one.rollout },
  { name: "With", of: (one) => Object.entries(one.detail).map(([name, value]) => `${name} ${said(value)}`).join(", ") || "–" },
], found, { stack: true }) : h("p", { class: "quiet" }, "The audit has no step of a rollout of this Specialist in this time."));

export async function rollouts({ ask, since, query, go }) {
  const { specialists } = await ask("rollouts", { since });
  const head = [h("h1", {}, "Rollouts"),
    h("p", { class: "lead" }, "Revisions of a Specialist side by side: what share of the traffic each had, and how useful it was.")];
  if (!specialists.length) {
    return [...head, empty("Nobody was asked in this time", "A rollout shows as two revisions that are asked at once.", [
      "Choose a longer time above.",
      ["Change ", code("spec.model"), " of a Specialist: a Rollout begins by itself."],
      ["Or apply one: ", code("kubectl get rollouts")],
    ])];
  }
  const key = (one) => `${one.specialist} ${one.field}`;
  const wanted = specialists.find((one) => key(one) === `${query.specialist} ${query.field}`) ?? specialists[0];
  const shown = await ask("rollouts", { since, specialist: wanted.specialist, field: wanted.field });
  const choose = select("Specialist and field", "specialist", specialists.map((one) => [key(one),
    `${short(one.specialist)} in ${one.field || "no field"} (${one.revisions} revision${one.revisions === 1 ? "" : "s"})`]), key(wanted),
  (value) => { const one = specialists.find((each) => key(each) === value); go({ specialist: one.specialist, field: one.field }); });
  return [...head, h("div", { class: "row" }, choose), ...standing(shown.rollouts), ...charts(shown), sums(shown), events(shown.events)];
}
