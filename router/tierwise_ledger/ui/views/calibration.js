import { code, empty, h } from "../dom.js";
import { count, fixed, moment } from "../format.js";
import { reliability } from "../reliability.js";

function refit(one) {
  if (!one) return null;
  const to = (name) => (one[`${name}After`] === undefined || one[`${name}After`] === null ? "" : ` → ${fixed(one[`${name}After`], 3)}`);
  return h("p", { class: "facts" }, `refitted ${moment(one.at)}: Brier ${fixed(one.brierBefore, 3)}${to("brier")}, ECE ${fixed(one.eceBefore, 3)}${to("ece")}`);
}

export async function calibration({ ask, since }) {
  const { curves } = await ask("calibration", { since });
  const head = [h("h1", {}, "Calibration"),
    h("p", { class: "lead" }, "Where confidence says 90 %, nine in ten answers should be right. Below the diagonal it claims too much, above it too little. "
      + "Only answers count that people, programs or verifiers judged.")];
  if (!curves.length) {
    return [...head, empty("No judged answers in this time", "Confidence is held against what somebody else said of the answer.", [
      "Choose a longer time above.",
      ["Judge an answer: ", code("tierwise feedback ID --accept"), " or ", code("--reject"), "; programs use ", code("POST /v1/feedback"), "."],
      ["Give Specialists verifiers: ", code("spec.routing.verifiers"), "."],
    ])];
  }
  return [...head, h("div", { class: "pair" }, curves.map((one) => h("section", { class: "card" },
    h("h2", {}, `${one.specialist} in ${one.field || "no field"}`),
    h("p", { class: "facts" }, h("span", {}, "answers ", h("b", {}, count(one.answers))), h("span", {}, "Brier ", h("b", {}, fixed(one.brier, 3))),
      h("span", {}, "ECE ", h("b", {}, fixed(one.ece, 3)))),
    reliability(one), refit(one.refit))))];
}
