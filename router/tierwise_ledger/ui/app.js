// Puts the page together: which view the address asks for, the time, the theme, the token.

import { Denied, ask, token } from "./api.js";
import { byId, h } from "./dom.js";
import { calibration } from "./views/calibration.js";
import { costs } from "./views/costs.js";
import { decision } from "./views/decision.js";
import { decisions } from "./views/decisions.js";
import { fleet } from "./views/fleet.js";
import { login } from "./views/login.js";
import { rollouts } from "./views/rollouts.js";
import { routes } from "./views/routes.js";

const VIEWS = [
  ["fleet", "Fleet", fleet], ["routes", "Routes", routes], ["costs", "Costs", costs],
  ["decisions", "Decisions", decisions], ["calibration", "Calibration", calibration],
  ["rollouts", "Rollouts", rollouts],
];
const TIMES = [["1h", "last hour"], ["6h", "last 6 hours"], ["24h", "last day"], ["7d", "last 7 days"], ["30d", "last 30 days"]];
const THEMES = { system: ["◐", "System"], light: ["☀", "Light"], dark: ["☾", "Dark"] };
let underWay = new AbortController();

/** The address: #/view/rest?since=24h&field=… */
function address() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [view, ...rest] = path.split("/");
  return { view: view || "fleet", rest: decodeURIComponent(rest.join("/")), query: Object.fromEntries(new URLSearchParams(query)) };
}

function go(view, query) {
  const kept = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  location.hash = `#/${view}${kept.length ? `?${new URLSearchParams(kept)}` : ""}`;
}

const since = () => sessionStorage.getItem("tierwise-since") ?? "24h";

function draw(...children) {
  const main = byId("main");
  main.replaceChildren(...children);
  main.removeAttribute("aria-busy");
  document.title = `${main.querySelector("h1")?.textContent ?? "ledger"} · tierwise`;
}

function mark(current) {
  byId("nav").replaceChildren(...VIEWS.map(([name, title]) =>
    h("a", { href: `#/${name}`, "aria-current": name === current ? "page" : undefined }, title)));
  byId("leave").hidden = !token.get();
  byId("nav").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
}

async function show({ focus = true } = {}) {
  underWay.abort();
  underWay = new AbortController();
  const { signal } = underWay;
  const asked = address();
  const known = VIEWS.find(([name]) => name === asked.view);
  const view = asked.view === "decision" ? decision : known?.[2] ?? fleet;
  mark(asked.view === "decision" ? "decisions" : known?.[0] ?? "fleet");
  byId("main").setAttribute("aria-busy", "true");
  byId("said").textContent = "Loading";
  try {
    const said = await view({
      rest: asked.rest, query: asked.query, since: since(),
      ask: (name, query) => ask(name, query, signal),
      go: (query) => go(asked.view, { ...asked.query, ...query }),
    });
    if (signal.aborted) return;
    draw(...said);
    byId("said").textContent = `${document.querySelector("h1")?.textContent ?? ""} loaded`;
    if (focus) byId("main").focus({ preventScroll: false });
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof Denied) {
      const wrong = Boolean(token.get());
      token.clear();
      mark(asked.view);
      draw(login(wrong, (value) => { token.set(value); show(); }));
      byId("said").textContent = wrong ? "The token is wrong" : "A token is needed";
      document.querySelector("input")?.focus();
    } else {
      draw(h("section", { class: "card error", role: "alert" }, h("h1", {}, "That did not work"),
        h("p", {}, error.message), h("p", {}, h("button", { type: "button", onclick: () => show() }, "Try again"))));
    }
  }
}

function theme() {
  const root = document.documentElement, names = Object.keys(THEMES);
  const told = () => {
    const [sign, word] = THEMES[root.dataset.theme ?? "system"];
    byId("theme").replaceChildren(h("span", { "aria-hidden": "true" }, sign), h("span", { class: "word" }, ` Colours: ${word}`));
  };
  byId("theme").addEventListener("click", () => {
    const next = names[(names.indexOf(root.dataset.theme ?? "system") + 1) % names.length];
    if (next === "system") { delete root.dataset.theme; localStorage.removeItem("tierwise-theme"); }
    else { root.dataset.theme = next; localStorage.setItem("tierwise-theme", next); }
    told();
    byId("said").textContent = `Colours: ${next}`;
  });
  told();
}

byId("since").replaceChildren(...TIMES.map(([value, text]) =>
  h("option", { value, selected: value === since() }, text)));
byId("since").addEventListener("change", (event) => {
  sessionStorage.setItem("tierwise-since", event.target.value);
  show({ focus: false });
});
byId("leave").addEventListener("click", () => { token.clear(); show(); });
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});
addEventListener("hashchange", () => show());
theme();
show({ focus: false });
