// The imports of a program as a tree: what each module brought with it.
import { NATIVE, OWN, PHASE, PYTHON, addUp, node } from "./stacks.mjs";

export const IMPORT_METRICS = ["own bytes", "time"];

// A module is below the one whose code imported it; those of the program's own code are below the line that asked.
export function importTree(imports) {
  const root = node("", "all imports", PHASE, 2);
  const nodes = new Map();
  for (const row of imports) {
    const made = node(`m${row.module}`, row.module, row.parent === null ? PYTHON : PYTHON, 2, { row });
    // What a module gave back takes no width.
    made.own = [Math.max(row.own_bytes, 0), row.own_ns];
    nodes.set(row.module, made);
  }
  const lines = new Map();
  for (const row of imports) {
    const parent = row.parent === null ? undefined : nodes.get(row.parent);
    const made = nodes.get(row.module);
    if (parent && parent !== made && !within(parent, made)) {
      made.around = parent;
      parent.children.push(made);
      continue;
    }
    const line = lineOf(row);
    if (!lines.has(line)) {
      const frame = row.nearest_own ? { function: "", file: row.nearest_own.file, line: row.nearest_own.line, library: null } : null;
      const one = node(`l${line}`, line, frame ? OWN : NATIVE, 2, { frame });
      lines.set(line, one);
      root.children.push(one);
    }
    lines.get(line).children.push(made);
  }
  return addUp(root);
}

// Whether a node is inside another: damaged records might make a circle.
function within(one, other) {
  for (let at = one; at; at = at.around) if (at === other) return true;
  return false;
}

function lineOf(row) {
  if (row.nearest_own) return `${row.nearest_own.file.split(/[\\/]/).pop()}:${row.nearest_own.line}`;
  return row.asked_by || "before or outside the program's code";
}
