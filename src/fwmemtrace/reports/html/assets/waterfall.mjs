// The steps from RSS before the session to RSS at its end, which add up to the byte.

const EXPANDED = 0.6; // of all changes: a phase with more than that is shown by the phases inside it

// Returns [{label, path, from, to, change, kind}]: kind "level" for the first and last, "change" for the others.
export function waterfallSteps(process, phases, most = 30) {
  const changes = changesOf(phases);
  const steps = [];
  let level = process.before_session_bytes;
  steps.push({ label: "before the session", path: null, from: 0, to: level, change: level, kind: "level" });
  const shown = new Set([...changes].sort((a, b) => Math.abs(b.change) - Math.abs(a.change)).slice(0, most));
  const add = (label, path, change) => {
    steps.push({ label, path, from: level, to: level + change, change, kind: "change" });
    level += change;
  };
  let others = 0;
  let rest = 0;
  for (const one of changes) {
    if (shown.has(one)) add(one.label, one.path, one.change);
    else {
      others++;
      rest += one.change;
    }
  }
  if (others) add(others === 1 ? "1 smaller phase" : `${others} smaller phases`, null, rest);
  if (process.outside_phases_bytes) add("outside any phase", "", process.outside_phases_bytes);
  if (process.overlap_bytes) add("counted by two phases at once", null, -process.overlap_bytes);
  steps.push({
    label: "at the end",
    path: null,
    from: 0,
    to: process.end_bytes,
    change: process.end_bytes,
    kind: "level",
    unaccounted: process.end_bytes - level,
  });
  return steps;
}

// The outermost phases. One that is nearly all of the change is replaced by the phases inside it and its rest.
function changesOf(phases) {
  const inside = new Map();
  for (const row of phases) {
    if (row.path === "" || !row.resident) continue;
    if (!inside.has(row.parent)) inside.set(row.parent, []);
    inside.get(row.parent).push(row);
  }
  const outermost = inside.get(null) ?? [];
  const total = outermost.reduce((sum, row) => sum + Math.abs(row.resident.delta_bytes), 0);
  const made = [];
  const add = (row, prefix) => {
    const inner = inside.get(row.path) ?? [];
    const change = row.resident.delta_bytes;
    if (!inner.length || Math.abs(change) < EXPANDED * total) {
      made.push({ label: prefix + row.name, path: row.path, change });
      return;
    }
    for (const one of inner) add(one, `${prefix}${row.name} / `);
    const rest = change - inner.reduce((sum, one) => sum + one.resident.delta_bytes, 0);
    if (rest) made.push({ label: `${prefix}${row.name}, itself`, path: row.path, change: rest });
  };
  for (const row of outermost) add(row, "");
  return made;
}
