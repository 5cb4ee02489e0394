// Trees of stacks, as stack_tree.py packs them, and what can be done with them. A node has `key`, `label`, `kind`,
// `frame` (or null), `path` (of a phase, or null), `own` and `total` (a figure for each metric), `children`.
import { namesOf, pathOf } from "./paths.mjs";

export const PHASE = "phase";
export const OWN = "own";
export const IMPORT = "import";
export const PYTHON = "python";
export const NATIVE = "native";
export const SMALLER = "smaller";
const KINDS = [PYTHON, OWN, IMPORT];

export function node(key, label, kind, metrics, more = {}) {
  const zeros = () => new Array(metrics).fill(0);
  return { key, label, kind, frame: null, path: null, own: zeros(), total: zeros(), children: [], ...more };
}

// The tree with phases inside phases and the stacks below them.
export function stackTree(packed) {
  const metrics = packed.metrics.length;
  const root = node("", "all phases", PHASE, metrics, { path: null });
  const frames = packed.function.map((name, at) => ({
    function: packed.strings[name],
    file: packed.strings[packed.file[at]],
    line: packed.line[at],
    library: packed.library[at] < 0 ? null : packed.strings[packed.library[at]],
    kind: packed.library[at] >= 0 ? NATIVE : KINDS[packed.kind[at]],
  }));
  const phases = new Map([["", root]]);
  const nodes = [];
  const open = [];
  let phase = 0;
  for (let row = 0; row < packed.depth.length; row++) {
    const depth = packed.depth[row];
    const number = packed.frame[row];
    let made;
    if (number === -1) made = phaseNode(phases, packed.paths[phase++], metrics);
    else {
      const frame = number < 0 ? null : frames[number];
      made = frame
        ? node(`f${number}`, frameLabel(frame), frame.kind, metrics, { frame })
        : node("smaller", "smaller stacks", SMALLER, metrics);
      open[depth - 1].children.push(made);
    }
    open[depth] = made;
    nodes.push(made);
  }
  packed.rows.forEach((row, at) => {
    for (let metric = 0; metric < metrics; metric++) nodes[row].own[metric] += packed.values[metric][at];
  });
  addUp(root);
  return root;
}

function phaseNode(phases, path, metrics) {
  if (path === "") path = "\0outside";
  const known = phases.get(path);
  if (known) return known;
  const outside = path === "\0outside";
  const names = outside ? [] : namesOf(path);
  const label = outside ? "outside any phase" : names[names.length - 1];
  const made = node(`p${path}`, label, PHASE, metrics, { path: outside ? "" : path });
  const around = names.length > 1 ? phaseNode(phases, pathOf(names.slice(0, -1)), metrics) : phases.get("");
  phases.set(path, made);
  around.children.push(made);
  return made;
}

export function frameLabel(frame) {
  const parts = frame.file.split(/[\\/]/);
  const name = parts[parts.length - 1];
  // Of the many __init__.py, and of the code of modules, the folder tells more than the name.
  const module = frame.function === "<module>";
  const file = module || /^__(init|main)__\.py$/.test(name) ? parts.slice(-2).join("/") : name;
  const place = frame.line ? `${file}:${frame.line}` : file;
  if (!frame.function || (module && file)) return place;
  return file ? `${frame.function} (${place})` : frame.function;
}

// Sets the totals of a tree, from below, without recursion: stacks may be deep.
export function addUp(root) {
  const order = [root];
  for (let at = 0; at < order.length; at++) for (const child of order[at].children) order.push(child);
  for (let at = order.length - 1; at >= 0; at--) {
    const one = order[at];
    one.total = [...one.own];
    for (const child of one.children) child.total.forEach((value, metric) => (one.total[metric] += value));
  }
  return root;
}

// The phases that had a peak of their own of which no stack is known; `peakOf` tells the peak of a path.
export function unknownPeaks(root, metric, peakOf) {
  const found = [];
  walk(root, (one) => {
    if (one.kind !== PHASE) return false;
    const stacks = one.children.filter((child) => child.kind !== PHASE);
    if (one.path && peakOf(one.path) && !stacks.some((child) => child.total[metric])) found.push(one.path);
  });
  return found;
}

export function walk(root, visit) {
  const stack = [[root, 0, null]];
  while (stack.length) {
    const [one, depth, parent] = stack.pop();
    if (visit(one, depth, parent) === false) continue;
    for (let at = one.children.length - 1; at >= 0; at--) stack.push([one.children[at], depth + 1, one]);
  }
}

// A copy of the tree, with nodes changed or joined. `step` gets a node and returns the key under which it goes on, or
// null to leave the level out: what is below moves up.
function copied(root, step) {
  const metrics = root.own.length;
  const made = node(root.key, root.label, root.kind, metrics, { path: root.path });
  const inner = new Map([[made, new Map()]]);
  const stack = [[root, made]];
  while (stack.length) {
    const [from, to] = stack.pop();
    from.own.forEach((value, metric) => (to.own[metric] += value));
    for (const child of from.children) {
      const shape = step(child, from);
      if (shape === undefined) continue;
      if (shape === null) {
        stack.push([child, to]);
        continue;
      }
      let next = inner.get(to).get(shape.key);
      if (!next) {
        next = node(shape.key, shape.label, shape.kind, metrics, { frame: shape.frame, path: shape.path });
        inner.get(to).set(shape.key, next);
        inner.set(next, new Map());
        to.children.push(next);
      }
      stack.push([child, next]);
    }
  }
  return addUp(made);
}

// Without the frames of the import system: a module is then right below the one that imported it.
export function foldImports(root) {
  return copied(root, (one) => (one.kind === IMPORT ? null : one));
}

// Only the phases that are wanted, and what is below them. A wanted phase does not bring the phases inside it.
export function onlyPhases(root, wanted) {
  const keeps = new Map();
  const order = [root];
  for (let at = 0; at < order.length; at++) {
    for (const child of order[at].children) if (child.kind === PHASE) order.push(child);
  }
  for (let at = order.length - 1; at >= 0; at--) {
    const one = order[at];
    const inside = one.children.some((child) => child.kind === PHASE && keeps.get(child));
    keeps.set(one, inside || (one.path !== null && wanted(one.path)));
  }
  return copied(root, (one, parent) => {
    if (one.kind === PHASE) return keeps.get(one) ? one : undefined;
    if (parent.kind === PHASE && (parent.path === null || !wanted(parent.path))) return undefined;
    return one;
  });
}

// Each stack from its innermost frame outwards: what allocates, then who called it.
export function invert(root) {
  return regroup(root, (stack) => [...stack].reverse());
}

// By the library that allocates, or by the package of the innermost Python frame, then from the inside out.
export function byLibrary(root, packageOfFile) {
  return regroup(root, (stack) => {
    let name = "";
    for (let at = stack.length - 1; at >= 0 && !name; at--) {
      const frame = stack[at].frame;
      if (!frame) continue;
      name = frame.library ?? (packageOfFile(frame.file) || (stack[at].kind === OWN ? "the program's own code" : ""));
    }
    const label = name || "Python and others";
    return [{ key: `l${label}`, label, kind: NATIVE, frame: null, path: null }, ...[...stack].reverse()];
  });
}

function regroup(root, arranged) {
  const metrics = root.own.length;
  const made = node(root.key, root.label, root.kind, metrics, { path: root.path });
  const inner = new Map([[made, new Map()]]);
  const around = [];
  walk(root, (one, depth) => {
    around.length = depth;
    around.push(one);
    if (depth === 0 || !one.own.some(Boolean)) return;
    let at = made;
    for (const level of arranged(around.slice(1))) {
      let next = inner.get(at).get(level.key);
      if (!next) {
        next = node(level.key, level.label, level.kind, metrics, { frame: level.frame, path: level.path });
        inner.get(at).set(level.key, next);
        inner.set(next, new Map());
        at.children.push(next);
      }
      at = next;
    }
    one.own.forEach((value, metric) => (at.own[metric] += value));
  });
  return addUp(made);
}

// The nodes whose label, file or library contains a text, and what they add up to. A node inside another match counts
// with that one.
export function matches(root, text, metric) {
  const wanted = text.toLowerCase();
  const place = /:\d+$/.test(wanted); // app.py:1 is not app.py:12
  const fits = (whole) => {
    let at = whole.indexOf(wanted);
    while (place && at >= 0 && /\d/.test(whole[at + wanted.length] ?? "")) at = whole.indexOf(wanted, at + 1);
    return at >= 0;
  };
  const found = new Set();
  let sum = 0;
  const stack = [[root, false]];
  while (stack.length) {
    const [one, inside] = stack.pop();
    const hit = one !== root && fits(searchText(one));
    if (hit) found.add(one);
    if (hit && !inside) sum += one.total[metric];
    for (const child of one.children) stack.push([child, inside || hit]);
  }
  return { found, sum };
}

function searchText(one) {
  const frame = one.frame;
  return (frame ? `${one.label} ${frame.file} ${frame.library ?? ""}` : one.label).toLowerCase();
}

// Rectangles of an icicle in units of the width: what is narrower than `least` is left out.
export function icicleLayout(root, metric, width, least = 0.5) {
  const whole = root.total[metric];
  const boxes = [];
  if (!(whole > 0)) return boxes;
  const stack = [[root, 0, 0, -1]];
  while (stack.length) {
    const [one, x, depth, parent] = stack.pop();
    const w = (one.total[metric] / whole) * width;
    if (w < least) continue;
    const index = boxes.length;
    boxes.push({ node: one, x, w, depth, parent });
    let left = x;
    const inner = one.children.filter((child) => child.total[metric] > 0);
    inner.sort((a, b) => b.total[metric] - a.total[metric] || (a.label < b.label ? -1 : 1));
    const placed = [];
    for (const child of inner) {
      placed.push([child, left, depth + 1, index]);
      left += (child.total[metric] / whole) * width;
    }
    for (let at = placed.length - 1; at >= 0; at--) stack.push(placed[at]);
  }
  return boxes;
}
