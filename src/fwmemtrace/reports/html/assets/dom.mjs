// Elements, and the parts that every section has. Text always goes in as text, never as markup.
import { csvText } from "./csv.mjs";

const SVG = "http://www.w3.org/2000/svg";

// el("td.right", {title: "x"}, "text", child)
export function el(what, attributes = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  return fill(document.createElement(tag), classes, attributes, children);
}

export function svgEl(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), [], attributes, children);
}

function fill(made, classes, attributes, children) {
  if (classes.length) made.classList.add(...classes);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

// A chart of these measures, which shrinks with what is around it.
export function chartEl(width, height, label) {
  return svgEl("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
}

export function button(label, onclick, attributes = {}) {
  return el("button", { type: "button", onclick, ...attributes }, label);
}

// A row of buttons of which one is pressed. `choices` are [value, label].
export function segmented(label, choices, value, choose) {
  const buttons = choices.map(([key, text]) =>
    button(text, () => choose(key), { "aria-pressed": String(key === value), "data-value": key, "data-focus": `${label} ${key}` }),
  );
  return el("span.segmented", { role: "group", "aria-label": label }, buttons);
}

// A field to search in. `typed` is called once nothing was typed for a moment; until then, `show` does not undo it.
export function searchField(placeholder, label, typed) {
  let timer = 0;
  const field = el("input", { type: "search", placeholder, "aria-label": label });
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = 0;
      typed(field.value);
    }, 140);
  });
  const show = (text) => {
    if (!timer && field.value !== text) field.value = text;
  };
  return { field, show };
}

export function download(name, text, type = "text/csv") {
  const link = el("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// A section of the page. `csv` returns [columns, rows]. `draw` is called when the section first comes near the
// viewport, and by `redraw` from then on.
export function card(app, id, title, { caption = "", csv = null, tools = [], draw }) {
  const body = el("div.body");
  const link = el("a.anchor", { href: `#${id}`, "aria-label": `Link to ${title}`, title: "Link to this section" }, "#");
  link.addEventListener("click", (event) => {
    event.preventDefault();
    app.store.set({ section: id });
    scrollTo(id);
  });
  const bar = el("div.tools", {}, tools);
  if (csv) {
    const save = () => download(`${id}.csv`, csvText(...csv()));
    bar.append(button("CSV", save, { title: "Download the figures of this chart", "class": "csv", "data-csv": id }));
  }
  const heading = el("div.heading", {}, el("h2", {}, title, link), bar);
  const section = el("section.card", { id }, heading, caption ? el("p.caption", {}, caption) : null, body);
  let near = false;
  const redraw = () => {
    if (!near) return;
    const focused = section.contains(document.activeElement) ? document.activeElement.dataset.focus : undefined;
    draw(body);
    if (focused) section.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus(); // it was made anew
  };
  const begin = () => {
    if (near) return;
    near = true;
    draw(body);
    section.classList.add("drawn"); // it takes the room that it needs
  };
  app.whenNear(section, begin);
  section.addEventListener("focusin", begin); // so that Tab finds what is in it, however fast it comes
  return { section, body, redraw, begin, bar };
}

export function scrollTo(id) {
  document.getElementById(id)?.scrollIntoView({ block: "start" });
}

export function isPrinting() {
  return document.documentElement.classList.contains("printing");
}

export function empty(parent) {
  parent.replaceChildren();
  return parent;
}

// A canvas that is as sharp as the screen. Returns its context, with units of CSS pixels.
export function sizeCanvas(canvas, width, height) {
  const ratio = Math.max(window.devicePixelRatio || 1, isPrinting() ? 2 : 1);
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

// Text on a canvas, cut to a width.
export function cutText(context, text, x, y, width) {
  if (width < 18) return;
  let shown = text.length > 200 ? text.slice(0, 200) : text;
  const full = context.measureText(shown).width;
  if (full > width) {
    let most = Math.floor((shown.length * width) / full);
    while (most > 1 && context.measureText(`${shown.slice(0, most)}…`).width > width) most--;
    if (most < 2) return;
    shown = `${shown.slice(0, most)}…`;
  }
  context.fillText(shown, x, y);
}

// One tooltip for the page. `lines` are strings or [label, value, colour].
export function makeTooltip() {
  const tip = el("div.tip", { role: "status", "aria-live": "off", hidden: true });
  document.body.append(tip);
  return {
    show(x, y, title, lines) {
      tip.replaceChildren(
        el("b", {}, title),
        ...lines.map((line) =>
          Array.isArray(line)
            ? el(
                "div.pair",
                {},
                el("span", {}, line[2] ? el("i", { style: `background:${line[2]}` }) : null, line[0]),
                el("span.value", {}, line[1]),
              )
            : el("div", {}, line),
        ),
      );
      tip.hidden = false;
      const box = tip.getBoundingClientRect();
      const left = x + 16 + box.width > window.innerWidth ? x - box.width - 12 : x + 16;
      const top = y + 16 + box.height > window.innerHeight ? y - box.height - 8 : y + 16;
      tip.style.transform = `translate(${Math.max(left, 4)}px, ${Math.max(top, 4)}px)`;
    },
    hide() {
      tip.hidden = true;
    },
  };
}
