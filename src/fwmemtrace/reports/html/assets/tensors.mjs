// Live tensors and arrays by the modules that own them, at the end of a phase.
import { card, el, empty } from "./dom.mjs";
import { formatBytes, formatCount, formatShare, shorten } from "./format.mjs";
import { makeIcicle } from "./icicle.mjs";
import { NATIVE, OWN, PHASE, PYTHON, SMALLER, addUp, node } from "./stacks.mjs";

const LEAST = 0.001; // of all tensors: smaller kinds are added up

// The largest storages by model and module path; the rest by kind, so that the sum is that of all storages.
export function tensorTree(tensors) {
  const root = node("", "all tensors", PHASE, 1);
  const child = (parent, key, label, kind) => {
    let found = parent.children.find((one) => one.key === key);
    if (!found) parent.children.push((found = node(key, label, kind, 1)));
    return found;
  };
  const named = new Map();
  const kindOf = (one) => `${one.library} ${one.dtype} on ${one.device}, ${one.role}${one.backing === "private" ? "" : `, ${one.backing}`}`;
  for (const storage of tensors.top) {
    let at = child(root, `M${storage.model}`, storage.model || `no module: ${storage.library}`, OWN);
    const parts = storage.owner ? storage.owner.split(".") : [`${storage.dtype} [${storage.shape.join(", ")}]`];
    parts.forEach((part, level) => (at = child(at, `p${level}${part}`, part, level === parts.length - 1 ? NATIVE : PYTHON)));
    at.own[0] += storage.size_bytes;
    at.storage ??= storage;
    named.set(kindOf(storage), (named.get(kindOf(storage)) ?? 0) + storage.size_bytes);
  }
  for (const group of tensors.groups) {
    const rest = group.size_bytes - (named.get(kindOf(group)) ?? 0);
    if (rest > 0) child(child(root, "rest", "smaller tensors", SMALLER), kindOf(group), kindOf(group), SMALLER).own[0] += rest;
  }
  return addUp(root);
}

export function tensorsCard(app) {
  const about = el("p.caption");
  const table = el("div.wide");
  const icicle = makeIcicle(app, {
    label: "Icicle of tensors by module. Arrow keys walk, Enter zooms.",
    format: (value) => formatBytes(value),
    lines: (one) => {
      const lines = [["size", `${formatBytes(one.total[0])} · ${formatShare(one.total[0], current.total[0])}`]];
      const storage = one.storage;
      if (storage) {
        lines.push(`${storage.dtype} [${storage.shape.join(", ")}] on ${storage.device}, ${storage.role}, ${storage.backing}`);
        if (storage.aliases.length) lines.push(`also ${shorten(storage.aliases.join(", "), 160)}`);
      }
      return lines;
    },
  });
  let current = null;
  const chosen = () => {
    const model = app.model();
    const here = model.byPath.get(app.store.get().phase);
    if (here?.tensors) return here;
    const rows = model.phases.filter((row) => row.tensors);
    return rows.reduce((best, row) => (row.tensors.live_bytes >= best.tensors.live_bytes ? row : best), rows[0]);
  };
  const made = card(app, "tensors", "Tensors", {
    csv: () => [
      ["owner", "model", "library", "dtype", "device", "role", "backing", "shape", "bytes"],
      chosen().tensors.top.map((one) => [one.owner, one.model, one.library, one.dtype, one.device, one.role, one.backing, one.shape.join("x"), one.size_bytes]),
    ],
    draw: (body) => {
      const row = chosen();
      current = tensorTree(row.tensors);
      about.textContent = `${formatBytes(row.tensors.live_bytes)} live in ${formatCount(row.tensors.storages)} ${row.tensors.storages === 1 ? "storage" : "storages"} at the end of phase ${shorten(row.path, 120)}, by model and module.`;
      if (!body.contains(icicle.element)) empty(body).append(about, icicle.element, table);
      empty(table).append(groupTable(row.tensors));
      icicle.show(current, 0);
    },
  });
  app.store.on(["phase"], () => made.redraw());
  return made;
}

function groupTable(tensors) {
  const titles = ["library", "element type", "device", "role", "backing"];
  const head = [...titles.map((title) => el("th", {}, title)), el("th.right", {}, "count"), el("th.right", {}, "size"), el("th.right", {}, "change")];
  const total = tensors.groups.reduce((sum, group) => sum + group.size_bytes, 0);
  const shown = tensors.groups.filter((group) => group.size_bytes >= LEAST * total || group.delta_bytes).slice(0, 12);
  const rows = shown.map((group) =>
    el(
      "tr",
      {},
      [group.library, group.dtype, group.device, group.role, group.backing].map((text) => el("td", {}, shorten(text, 40))),
      el("td.right", {}, formatCount(group.count)),
      el("td.right", {}, formatBytes(group.size_bytes)),
      el("td.right", {}, formatBytes(group.delta_bytes, true)),
    ),
  );
  const rest = tensors.groups.filter((group) => !shown.includes(group));
  if (rest.length) {
    const sum = (get) => rest.reduce((all, group) => all + get(group), 0);
    const name = `${rest.length} smaller ${rest.length === 1 ? "kind" : "kinds"}`;
    const figures = [formatCount(sum((one) => one.count)), formatBytes(sum((one) => one.size_bytes)), formatBytes(sum((one) => one.delta_bytes), true)];
    rows.push(el("tr.dim", {}, el("td", { colspan: titles.length }, name), figures.map((text) => el("td.right", {}, text))));
  }
  return el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows));
}
