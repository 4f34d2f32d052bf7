// Figures as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const count = (value) => whole.format(value ?? 0);

export function usd(value) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "$0";
  const size = Math.abs(value);
  if (size >= 100) return `$${whole.format(value)}`;
  return `$${value.toFixed(size >= 1 ? 2 : Math.min(9, 2 - Math.floor(Math.log10(size))))}`;
}

/** Money below a dollar has as many digits on all levels of an axis as their step needs. */
export function axis(format, value, levels) {
  const step = levels[1] - levels[0];
  if (format !== usd || !(step < 1)) return format(value);
  return `$${value.toFixed(Math.ceil(-Math.log10(step) - 1e-9))}`;
}

export const percent = (value, digits = 0) =>
  value === null || value === undefined ? "–" : `${(100 * value).toFixed(digits)} %`;

export const fixed = (value, digits = 2) =>
  value === null || value === undefined ? "–" : value.toFixed(digits);

export function seconds(value) {
  if (value === null || value === undefined) return "–";
  return value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(value < 10 ? 2 : 1)} s`;
}

export const moment = (at) => new Date(at * 1000).toLocaleString([], {
  year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});

/** A tick: the time of day within a day or two, else the day. */
export function tick(at, spanSeconds) {
  const date = new Date(at * 1000);
  return spanSeconds <= 2 * 86400
    ? date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" })
    : date.toLocaleDateString([], { month: "short", day: "numeric" });
}

export const short = (name) => name.slice(name.lastIndexOf("/") + 1) || name;

const STATES = {
  accepted: ["accepted", "good"], escalated: ["accepted after escalation", "warn"],
  repaired: ["repaired", "warn"], relayed: ["passed on", "quiet"], abstained: ["abstained", "bad"],
  human_review: ["to a person", "warn"], refused: ["refused", "bad"], failed: ["failed", "bad"],
};
export const state = (name) => STATES[name] ?? [name.replaceAll("_", " "), "quiet"];
