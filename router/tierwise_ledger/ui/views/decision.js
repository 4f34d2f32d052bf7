import { h, s, table } from "../dom.js";
import { count, fixed, moment, percent, seconds, usd } from "../format.js";
import { badge } from "./decisions.js";

const VERDICTS = { accept: ["accepted", "good"], escalate: ["passed on", "warn"], abstain: ["abstained", "bad"],
  failed: ["failed", "bad"], relayed: ["passed on, not judged", "quiet"], "passed-over": ["passed over", "quiet"] };

/** Confidence before and after on one scale, with the floor that it had to reach. */
function gauge(step) {
  const known = [["before", step.predicted], ["after", step.confidence]].filter(([, value]) => value !== null && value !== undefined);
  if (!known.length) return null;
  const height = 24 * known.length + 4;
  return s("svg", { class: "gauge", viewBox: `0 0 340 ${height}`, role: "img",
    "aria-label": `${known.map(([name, value]) => `${name} asking ${fixed(value)}`).join(", ")}; the floor is ${fixed(step.floor)}` },
  known.map(([name, value], at) => [
    s("text", { x: 0, y: 16 + 24 * at }, name),
    s("rect", { class: "track", x: 52, y: 6 + 24 * at, width: 240, height: 12, rx: 3 }),
    s("rect", { class: value >= step.floor ? "f2" : "f1", x: 52, y: 6 + 24 * at, width: Math.max(1, 240 * Math.min(1, value)), height: 12, rx: 3 }),
    s("text", { class: "name", x: 300, y: 16 + 24 * at }, fixed(value)),
  ]),
  s("line", { class: "floor", x1: 52 + 240 * step.floor, x2: 52 + 240 * step.floor, y1: 2, y2: height - 2 }));
}

const fact = (name, value) => value !== null && value !== undefined && value !== "" && h("span", {}, `${name} `, h("b", {}, value));

function step(one) {
  const [word, tone] = one.failure ? ["failed", "bad"] : VERDICTS[one.verdict] ?? [one.verdict, "quiet"];
  return h("li", {}, h("h3", {}, one.specialist, one.tier && h("span", { class: "quiet" }, one.tier),
    h("span", { class: `badge ${tone}` }, word)),
  gauge(one),
  h("p", { class: "facts" }, fact("revision", one.revision), fact("adapter", one.adapter), fact("pod", one.pod),
    fact("took", one.seconds === null ? "" : seconds(one.seconds)), fact("first token after", one.ttft_s ? seconds(one.ttft_s) : ""),
    fact("waited", one.queue_s ? seconds(one.queue_s) : ""), fact("cost", usd(one.cost_usd)),
    fact("tokens in", one.input_tokens === null ? "" : count(one.input_tokens)),
    fact("cached", one.cached_tokens ? count(one.cached_tokens) : ""),
    fact("tokens out", one.output_tokens === null ? "" : count(one.output_tokens)), fact("failure", one.failure)),
  one.checks?.length > 0 && h("ul", { class: "said" }, one.checks.map((check) => h("li", {},
    h("span", { class: check.passed ? "good" : "bad" }, check.passed ? "✓ " : "✗ "), `${check.name} ${check.detail ?? ""}`))));
}

const candidates = (record) => table("Who could answer", [
  { name: "Specialist", of: (one) => one.specialist }, { name: "Tier", of: (one) => one.tier },
  { name: "Predicted", n: true, of: (one) => fixed(one.predicted) }, { name: "Floor", n: true, of: (one) => fixed(one.floor) },
  { name: "Expected USD", n: true, of: (one) => usd(one.expected_usd) }, { name: "Score", n: true, of: (one) => fixed(one.total) },
  { name: "Why", of: (one) => one.lost || one.why },
], record.candidates, { stack: true });

const words = (said) => h("ul", { class: "said" }, said.map((one) => h("li", {},
  h("span", { class: one.accepted ? "good" : "bad" }, one.accepted ? "right" : "wrong"),
  `, said ${one.source} at ${moment(one.at)}`, one.corrected && [": ", h("code", {}, one.corrected)], one.comment && ` (${one.comment})`)));

export async function decision({ ask, rest }) {
  const { record, story, feedback, audit } = await ask(`decisions/${encodeURIComponent(rest)}`);
  return [
    h("p", {}, h("a", { href: "#/decisions" }, "← Decisions")),
    h("h1", { class: "mono" }, record.id),
    h("p", { class: "lead" }, badge(record.state), ` ${moment(record.at)} · ${record.model || "auto"} · `
      + `${record.tenant ? `tenant ${record.tenant} · ` : ""}${record.latency_class} · ${seconds(record.seconds)} · ${usd(record.cost_usd)}`
      + (record.field ? ` · field ${record.field} (${percent(record.field_probability)})` : "")),
    record.steps.length > 0 && h("section", { class: "card" }, h("h2", {}, "The way it took"), h("ol", { class: "steps" }, record.steps.map(step))),
    record.candidates.length > 0 && h("section", { class: "card" }, h("h2", {}, "Who could answer"), candidates(record)),
    h("section", { class: "card" }, h("h2", {}, "What was said of the answer"), feedback.length ? words(feedback)
      : h("p", { class: "quiet" }, "Nothing yet. ", h("code", {}, `tierwise feedback ${record.id} --accept`), " says that it was right.")),
    h("section", { class: "card" }, h("h2", {}, "In words"), story.map((part) => [h("h3", {}, part.title),
      h("ul", { class: "said" }, part.lines.map((line) => h("li", {}, line)))])),
    audit.length > 0 && h("section", { class: "card" }, h("h2", {}, "In the audit"), table("Links of the audit", [
      { name: "Stream", of: (one) => one.stream }, { name: "Number", n: true, of: (one) => count(one.seq) },
      { name: "Hash", of: (one) => h("code", { class: "long" }, one.hash) },
    ], audit, { stack: true }), h("p", { class: "quiet" }, h("code", {}, `tierwise audit prove ${record.id}`), " proves that it stands there.")),
  ].filter(Boolean);
}
