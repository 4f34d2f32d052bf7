// Elements from names, attributes and children. Text is only ever text: nothing here parses HTML.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== undefined && child !== null && child !== false) element.append(child);
  }
  return element;
}

export const h = (name, attributes, ...children) =>
  fill(document.createElement(name), attributes, children);

export const s = (name, attributes, ...children) =>
  fill(document.createElementNS(SVG, name), attributes, children);

export const byId = (id) => document.getElementById(id);

/** A table; a column is {name, of(row), n} where n aligns it right and `of` gives a node or text. */
export function table(caption, columns, rows, { stack = false } = {}) {
  return h("div", { class: "wide" },
    h("table", { class: stack ? "stack" : undefined },
      h("caption", { class: "unseen" }, caption),
      h("thead", {}, h("tr", {}, columns.map((one) =>
        h("th", { scope: "col", class: one.n ? "n" : undefined }, one.name)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, columns.map((one) =>
        h("td", { class: one.n ? "n" : undefined, "data-label": one.name }, one.of(row))))))));
}

/** Figures behind a picture, for who cannot see it or wants to copy them. */
export const figures = (caption, columns, rows) =>
  h("details", {}, h("summary", {}, "Show the figures"), table(caption, columns, rows));

/** Draws a picture as wide as its place, and again whenever that changes. */
export function fitted(draw, attributes = {}) {
  const place = h("div", attributes);
  let width = 0;
  const again = () => {
    const found = Math.round(place.clientWidth);
    if (found > 0 && found !== width) {
      width = found;
      place.replaceChildren(draw(width));
    }
  };
  new ResizeObserver(() => requestAnimationFrame(again)).observe(place);
  place.redraw = () => { if (width) place.replaceChildren(draw(width)); };
  return place;
}

export const select = (label, name, values, chosen, change) =>
  h("label", {}, label, h("select", { name, onchange: (event) => change(event.target.value) },
    values.map(([value, text]) => h("option", { value, selected: value === chosen }, text))));

/** What to do where there is nothing to show. */
export const empty = (title, why, steps) =>
  h("section", { class: "card empty" }, h("h2", {}, title), h("p", {}, why),
    h("ol", {}, steps.map((step) => h("li", {}, step))));

export const code = (text) => h("code", {}, text);
