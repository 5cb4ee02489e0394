// Puts the page together: reads the data, draws the header at once and each section when it comes near.
import { readColours } from "./colours.mjs";
import { makeTooltip } from "./dom.mjs";
import { growthCard } from "./growth.mjs";
import { drawHeader } from "./header.mjs";
import { holdingCard } from "./holding.mjs";
import { importsCard } from "./imports.mjs";
import { makeModel } from "./model.mjs";
import { phasesCard } from "./phases.mjs";
import { sourceCard } from "./source.mjs";
import { stacksCard } from "./stackcards.mjs";
import { makeStore, readFragment, writeFragment } from "./state.mjs";
import { leversCard, planCard, sharingCard } from "./suite.mjs";
import { tensorsCard } from "./tensors.mjs";
import { timelineCard } from "./timeline.mjs";
import { frontDecoded, unpack } from "./unpack.mjs";
import { waterfallCard } from "./waterfallview.mjs";

function readData() {
  const raw = JSON.parse(document.getElementById("data").textContent);
  const report = unpack(raw.report);
  const modules = report.imports ?? [];
  for (const one of modules) if (typeof one.parent === "number") one.parent = modules[one.parent].module;
  for (const trees of Object.values(raw.trees)) for (const tree of Object.values(trees)) if (tree) tree.strings = frontDecoded(tree.strings);
  return { ...raw, report };
}

function main() {
  const data = readData();
  const store = makeStore(readFragment(location.hash), (state) => {
    const fragment = writeFragment(state);
    history.replaceState(null, "", fragment ? `#${fragment}` : location.pathname + location.search);
  });
  const models = new Map();
  const near = new Map();
  const watcher = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        watcher.unobserve(entry.target);
        near.get(entry.target)?.();
      }
    },
    { rootMargin: "500px" },
  );
  let cards = [];
  let colours = null;
  const app = {
    data,
    store,
    tip: makeTooltip(),
    cards: () => cards,
    colours: () => (colours ??= readColours()),
    words: (category) => data.words[category] ?? category,
    whenNear(element, begin) {
      near.set(element, begin);
      watcher.observe(element);
    },
    model() {
      const processes = data.report.trace.processes;
      const wanted = Number(store.get().pid);
      const pid = (processes.find((one) => one.pid === wanted) ?? mainProcess(data.report)).pid;
      if (!models.has(pid)) models.set(pid, makeModel(data, pid));
      return models.get(pid);
    },
  };
  const redrawAll = () => {
    colours = null;
    for (const one of cards) one.redraw();
  };
  const build = () => {
    cards = cardsOf(app);
    document.getElementById("charts").replaceChildren(...cards.map((one) => one.section));
    drawHeader(app);
  };
  const theme = () => {
    if (store.get().theme) document.documentElement.dataset.theme = store.get().theme;
    else delete document.documentElement.dataset.theme;
  };
  theme();
  if (!data.report.trace.processes.length) return;
  build();
  store.on(["theme"], () => {
    theme();
    redrawAll();
  });
  store.on(["pid"], build);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
  let timer = 0;
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth === width) return; // a phone's bars come and go
    width = window.innerWidth;
    clearTimeout(timer);
    timer = setTimeout(redrawAll, 120);
  });
  window.addEventListener("beforeprint", () => {
    document.documentElement.dataset.theme = "light"; // paper is
    document.documentElement.classList.add("printing"); // as wide as paper, as charts are drawn for a width
    for (const one of cards) one.begin();
    redrawAll();
  });
  window.addEventListener("afterprint", () => {
    document.documentElement.classList.remove("printing");
    theme();
    redrawAll();
  });
  window.addEventListener("hashchange", () => {
    const state = readFragment(location.hash);
    store.set(state);
    if (state.section) document.getElementById(state.section)?.scrollIntoView();
  });
  const section = store.get().section;
  if (section) document.getElementById(section)?.scrollIntoView();
}

function mainProcess(report) {
  const wanted = report.summary?.pid;
  return report.trace.processes.find((one) => one.pid === wanted) ?? report.trace.processes[0];
}

function cardsOf(app) {
  const model = app.model();
  const { suite } = model.report;
  const made = [];
  if (suite) {
    if (suite.plan) made.push(planCard(app));
    if (suite.sharing) made.push(sharingCard(app));
    if (suite.matrix.length) made.push(leversCard(app));
    if (app.store.get().pid === "") return made;
  }
  if (model.timeline.length) made.push(timelineCard(app));
  if (model.phases.some((row) => row.path !== "")) made.push(phasesCard(app));
  if (model.timeline.length) made.push(waterfallCard(app));
  const stacks = ["native", "sampled", "heap", "rises"].some((name) => model.packed[name]);
  if (stacks) made.push(stacksCard(app));
  if (model.composition.length) made.push(holdingCard(app));
  if (model.imports?.length) made.push(importsCard(app));
  if (model.phases.some((row) => row.tensors?.groups.length)) made.push(tensorsCard(app));
  if (model.growth.some((row) => row.calls > 1)) made.push(growthCard(app));
  if (stacks) made.push(sourceCard(app));
  return made;
}

main();
