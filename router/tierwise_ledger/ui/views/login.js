import { code, h } from "../dom.js";

export function login(wrong, signIn) {
  const field = h("input", { id: "token", name: "token", type: "password", autocomplete: "current-password", required: true,
    "aria-describedby": "token-help", "aria-invalid": wrong ? "true" : undefined });
  return h("section", { class: "card login" },
    h("h1", {}, "Sign in"),
    h("form", { onsubmit: (event) => { event.preventDefault(); signIn(field.value.trim()); } },
      wrong && h("p", { class: "bad", role: "alert" }, "That is not this ledger's token."),
      h("label", { for: "token" }, "The ledger's token"), field,
      h("button", { class: "main", type: "submit" }, "Sign in"),
      h("p", { class: "quiet", id: "token-help" },
        "It is what ", code("TIERWISE_LEDGER_TOKEN_FILE"), " holds, or the Secret of the ledger in the cluster. "
        + "This tab keeps it until it is closed.")));
}
