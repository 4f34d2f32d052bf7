import { code, empty, figures, h, s } from "../dom.js";
import { count, moment, short, usd } from "../format.js";

const COLOURS = 8;

/** The same Specialist has the same colour everywhere, and neighbours on a tier have different ones. */
function painter(tiers) {
  const colours = new Map();
  for (const tier of tiers) {
    const names = [...new Set((tier.nodes ?? []).flatMap((node) => node.holders).concat(tier.pods ?? [])
      .map((one) => one.specialist))].sort();
    const taken = names.flatMap((name) => colours.get(name) ?? []);
    for (const name of names.filter((one) => !colours.has(one))) {
      const often = (colour) => taken.filter((one) => one === colour).length;
      const next = Array.from({ length: COLOURS }, (_, at) => (at + colours.size) % COLOURS)
        .sort((a, b) => often(a) - often(b))[0];
      colours.set(name, next);
      taken.push(next);
    }
  }
  return (name) => `f${colours.get(name)}`;
}

function gpus(node, colour) {
  const held = node.holders.flatMap((one) => Array.from({ length: Math.ceil(one.gpus) }, () => one));
  const squares = Array.from({ length: Math.max(node.gpus, held.length) }, (_, at) => held[at]);
  return h("div", { class: "gpus", role: "img", "aria-label":
    `${count(held.length)} of ${count(node.gpus)} GPUs held` },
  squares.map((one) => s("svg", { class: "gpu", viewBox: "0 0 26 26" },
    s("rect", { class: one ? colour(one.specialist) : "free", x: 1, y: 1, width: 24, height: 24, rx: 4 },
      s("title", {}, one ? `${one.specialist} ${one.revision}` : "free")))));
}

const sitting = (holders, colour, more) => h("ul", { class: "sits" }, holders.map((one) => h("li", {},
  s("svg", { viewBox: "0 0 11 11", "aria-hidden": "true" }, s("rect", { class: colour(one.specialist), width: 11, height: 11, rx: 2 })),
  h("span", {}, h("b", {}, short(one.specialist)), ` ${one.revision} `, h("span", { class: "quiet" }, more(one))))));

function sampled(tier, colour) {
  const used = tier.nodes.reduce((sum, node) => sum + node.holders.reduce((all, one) => all + one.gpus, 0), 0);
  const of = tier.nodes.reduce((sum, node) => sum + node.gpus, 0);
  return h("section", { class: "card" },
    h("h2", {}, tier.name, h("small", {}, `${count(used)} of ${count(of)} GPUs`
      + (tier.usdPerHour ? `, ${usd(tier.usdPerHour)} each an hour` : ""))),
    tier.nodes.map((node) => h("div", { class: "node" }, h("h3", {}, node.name), gpus(node, colour),
      sitting(node.holders, colour, (one) => `${count(one.gpus)} GPU${one.gpus === 1 ? "" : "s"}${one.pod ? ` · ${one.pod}` : ""}`))));
}

/** Providers' models run in no pod of ours: nobody told a name. */
const seen = (tier, colour) => {
  const what = tier.pods.some((one) => one.pod) ? "pod" : "model";
  return h("section", { class: "card" },
    h("h2", {}, tier.name, h("small", {}, `${tier.pods.length} ${what}${tier.pods.length === 1 ? "" : "s"}`)),
    sitting(tier.pods, colour, (one) => `${one.pod ? `${one.pod} · ` : ""}${count(one.calls)} calls`));
};

export async function fleet({ ask }) {
  const said = await ask("fleet");
  const title = h("h1", {}, "Fleet");
  if (!said.tiers.length) {
    return [title, empty("Nobody is known to sit anywhere", "The ledger saw neither a sample of the cluster nor a call.", [
      ["Apply GPUTiers and Specialists: ", code("kubectl apply -f examples/quickstart/")],
      ["See whether they run: ", code("tierwise status")],
      ["Ask one: ", code('tierwise ask "sort dbca"')],
    ])];
  }
  const colour = painter(said.tiers);
  const fromCalls = said.source === "calls";
  const rows = said.tiers.flatMap((tier) => (fromCalls ? tier.pods : tier.nodes.flatMap((node) =>
    node.holders.map((one) => ({ ...one, node: node.name })))).map((one) => ({ ...one, tier: tier.name })));
  return [title,
    h("p", { class: "lead" }, fromCalls
      ? `Who answered lately, by tier; the last call was at ${moment(said.at)}. Nodes and GPUs appear once the ledger samples the cluster.`
      : `Who held which GPUs at ${moment(said.at)}. Grey is free.`),
    h("div", { class: "tiers" }, said.tiers.map((tier) => (fromCalls ? seen : sampled)(tier, colour))),
    figures("Who sits where", [
      { name: "Tier", of: (row) => row.tier },
      { name: fromCalls ? "Pod" : "Node", of: (row) => (fromCalls ? row.pod || "not ours" : row.node) },
      { name: "Specialist", of: (row) => row.specialist },
      { name: "Revision", of: (row) => row.revision },
      { name: fromCalls ? "Calls" : "GPUs", n: true, of: (row) => count(fromCalls ? row.calls : row.gpus) },
    ], rows)];
}
