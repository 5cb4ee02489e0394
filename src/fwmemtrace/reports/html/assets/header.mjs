// The header that stays: what was traced, its figures as chips, the choice of a process, the theme.
import { button, el } from "./dom.mjs";
import { formatBytes, shorten, shortPath } from "./format.mjs";

export function drawHeader(app) {
  const { store, data } = app;
  const model = app.model();
  const { process, report } = model;
  const head = document.getElementById("head");
  const command = process.command.length ? process.command : ["unknown command"];
  const script = command.find((word, at) => at > 0 && !word.startsWith("-") && /\.py$/.test(word)) ?? command.join(" ");
  const name = process.service || shortPath(shorten(report.suite ? report.suite.file : script, 60));
  document.title = `${name} – memory report`;
  const title = el("h1", { title: shorten(command.join(" "), 400) }, name);
  const when = process.started_unix_ns ? new Date(process.started_unix_ns / 1e6) : null;
  const about = el(
    "span.about",
    {},
    when ? el("time", { datetime: when.toISOString() }, when.toISOString().slice(0, 16).replace("T", " ") + " UTC") : null,
    process.python === "unknown" ? null : el("span", {}, `Python ${shorten(process.python, 12)}`),
  );
  head.replaceChildren(
    el("div.title", {}, title, about),
    el("div.chips", {}, chips(app, model)),
    el("div.controls", {}, processChoice(app), themeSwitch(store)),
    contents(app),
  );
  drawBanner(report, data);
}

function chips(app, model) {
  const { process, report } = model;
  const made = [];
  const chip = (label, value, tone = "", title = "") =>
    made.push(el(`span.chip${tone ? `.${tone}` : ""}`, { title: title || null }, el("span", {}, label), el("b", {}, value)));
  if (report.suite) suiteChips(report.suite, chip);
  else {
    chip("peak RSS", formatBytes(process.peak_bytes), "", process.peak_source === "kernel" ? "exact, by the kernel" : "the largest reading");
    chip(process.ended === "closed" ? "at the end" : "last reading", formatBytes(process.end_bytes));
  }
  const limit = process.cgroup?.limit_bytes;
  if (limit) {
    const used = Math.max(process.cgroup.peak_bytes ?? 0, process.cgroup.current_bytes, process.peak_bytes);
    chip("limit", formatBytes(limit), used >= 0.9 * limit ? "bad" : "", "of the control group");
  }
  if (report.budget) {
    const over = report.budget.exceeded;
    chip("budget", `${formatBytes(report.budget.limit_bytes)} ${over ? "exceeded" : "kept"}`, over ? "bad" : "good");
  }
  if (report.suite) return made;
  const growing = model.growth.filter((row) => row.verdict === "growing");
  const phases = (rows) => new Set(rows.map((row) => row.path)).size;
  const all = phases(model.growth);
  if (growing.length) chip("growing", `${phases(growing)} of ${all} ${all === 1 ? "phase" : "phases"}`, "bad");
  else if (model.growth.some((row) => row.verdict !== "too few calls")) chip("growth", "none", "good");
  if (process.running) chip("session", "still running");
  else if (process.ended !== "closed") chip("session", "not closed", "bad");
  return made;
}

function suiteChips(suite, chip) {
  chip("components", String(suite.components.length));
  if (suite.sharing) {
    chip("held together", formatBytes(suite.sharing.together_bytes));
    chip("peak together", formatBytes(suite.sharing.together_peak_bytes));
  }
  const failed = suite.components.filter((one) => one.outcome !== "ok").length;
  if (failed) chip("failed", String(failed), "bad");
}

function processChoice(app) {
  const { report } = app.data;
  const processes = report.trace.processes;
  if (processes.length < 2) return null;
  const purposes = new Map();
  for (const component of report.suite?.components ?? [])
    for (const [purpose, pids] of Object.entries(component.pids)) for (const pid of pids) purposes.set(pid, `${component.name}, ${purpose}`);
  const none = report.suite ? [el("option", { value: "", selected: app.store.get().pid === "" }, "Look into a process")] : [];
  const options = processes.map((one, at) => {
    const what = purposes.get(one.pid) ?? (at ? "worker" : report.suite ? "suite" : "first process");
    const shown = one.pid === app.model().pid && !(report.suite && app.store.get().pid === "");
    const attributes = { value: String(one.pid), selected: shown };
    return el("option", attributes, `pid ${one.pid}: ${shorten(what, 40)}, peak ${formatBytes(one.peak_bytes)}`);
  });
  const choose = (event) => app.store.set({ pid: event.target.value, phase: "", from: "", to: "", zoom: "" });
  return el("select", { "aria-label": "Process", onchange: choose }, [...none, ...options]);
}

function themeSwitch(store) {
  const next = () => {
    const dark = getComputedStyle(document.documentElement).getPropertyValue("--scheme").trim() === "dark";
    store.set({ theme: dark ? "light" : "dark" });
  };
  return button("◐", next, { id: "theme", "aria-label": "Switch between light and dark", title: "Light or dark" });
}

function contents(app) {
  const sections = [...app.cards().map(({ section }) => section), ...document.querySelectorAll("#last section:has(h2)")];
  const links = sections.map((section) => el("a", { href: `#${section.id}`, "data-to": section.id }, section.querySelector("h2").firstChild.textContent));
  const nav = el("nav", { "aria-label": "Sections" }, links);
  nav.addEventListener("click", (event) => {
    const id = event.target.dataset?.to;
    if (!id) return;
    event.preventDefault();
    app.store.set({ section: id });
    document.getElementById(id).scrollIntoView({ block: "start" });
  });
  markCurrent(sections, links);
  return nav;
}

let watcher = null;

// Marks the link of the section that is being read: the first one that reaches into the upper part of the window.
function markCurrent(sections, links) {
  const seen = new Set();
  watcher?.disconnect();
  watcher = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) seen[isIntersecting ? "add" : "delete"](target);
      const current = sections.findIndex((section) => seen.has(section));
      links.forEach((link, at) => (at === current ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current")));
    },
    { rootMargin: "-25% 0px -60% 0px" },
  );
  for (const section of sections) watcher.observe(section);
}

function drawBanner(report, data) {
  const notices = document.getElementById("notices");
  if (notices.querySelector("[data-made]")) return;
  const made = [];
  const info = report.trace;
  if (report.suite) {
    // The summary of other pages says so.
    if (info.interrupted) made.push("Reading the capture was interrupted: native figures cover only a part of it.");
    for (const process of info.processes)
      if (process.ended !== "closed" && !process.running) made.push(`The session of process ${process.pid} was not closed: its figures end with the last record.`);
  }
  if (info.lost_records) made.push(`${info.lost_records === 1 ? "1 record was" : `${info.lost_records} records were`} lost.`);
  if (info.damaged_bytes) made.push(`${info.damaged_bytes === 1 ? "1 byte of the trace is" : `${info.damaged_bytes} bytes of the trace are`} damaged and left out.`);
  for (const text of made.slice(0, 6)) notices.append(el("p", { "data-made": true }, text));
  if (made.length > 6) notices.append(el("p", { "data-made": true }, `${made.length - 6} more; see the notes.`));
  notices.hidden = !notices.children.length;
}
