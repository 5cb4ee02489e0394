// What the page knows about one process, and the choice of phases by the brush.
import { foldImports, stackTree } from "./stacks.mjs";

export function makeModel(data, pid) {
  const report = data.report;
  const mine = (rows) => (rows ?? []).filter((row) => row.pid === pid);
  const process = report.trace.processes.find((row) => row.pid === pid);
  const details = data.details.find((row) => row.pid === pid) ?? null;
  const packed = data.trees[String(pid)] ?? {};
  const made = {};
  const tree = (name) => {
    if (!packed[name]) return null;
    made[name] ??= foldImports(stackTree(packed[name]));
    return made[name];
  };
  const phases = mine(report.phases);
  const byPath = new Map(phases.map((row) => [row.path, row]));
  const ledger = new Map(mine(report.ledger).map((row) => [row.path, row]));
  const timeline = mine(report.timeline).sort((a, b) => a.at_ns - b.at_ns);
  const first = report.trace.processes[0];
  return {
    pid,
    process,
    report,
    details,
    phases,
    byPath,
    ledger,
    timeline,
    composition: mine(report.composition),
    growth: mine(report.growth),
    rises: mine(report.rises)[0] ?? null,
    imports: first && first.pid === pid ? report.imports : null,
    packed,
    tree,
    endNs: Math.max(process.wall_ns + offsetNs(process, first), ...timeline.slice(-1).map((point) => point.at_ns), 1),
    beginNs: Math.min(...timeline.slice(0, 1).map((point) => point.at_ns), offsetNs(process, first)),
  };
}

function offsetNs(process, first) {
  return Math.max(process.started_unix_ns - first.started_unix_ns, 0);
}

// The paths of phases with a call between two moments; null if all count.
export function phasesBetween(model, from, to) {
  if (from === null || !model.details) return null;
  const { calls, paths } = model.details;
  const seen = new Set();
  const within = new Set();
  for (let call = 0; call < calls.begin_ns.length; call++) {
    const path = paths[calls.path[call]];
    seen.add(path);
    const end = calls.end_ns[call];
    if (calls.begin_ns[call] <= to && (end < 0 || end >= from)) within.add(path);
  }
  // Calls that were left out are nowhere: their phases stay.
  for (const row of model.phases) if (row.path === "" || !seen.has(row.path)) within.add(row.path);
  return within;
}
