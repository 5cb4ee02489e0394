// Bytes by source line, from everything that names lines.
import { OWN, walk } from "./stacks.mjs";

// Returns a map of file to map of line to {figure: bytes}; `trees` are [[figure, tree, metric]].
export function bytesByLine(trees) {
  const files = new Map();
  for (const [figure, root, metric] of trees) {
    const open = [];
    walk(root, (one, depth) => {
      open.length = depth;
      const frame = one.frame;
      const key = frame && one.kind === OWN && frame.line ? `${frame.line} ${frame.file}` : null;
      const inside = key !== null && open.includes(key); // a recursive call counts once
      open.push(key);
      if (key === null || inside || !one.total[metric]) return;
      let lines = files.get(frame.file);
      if (!lines) files.set(frame.file, (lines = new Map()));
      let figures = lines.get(frame.line);
      if (!figures) lines.set(frame.line, (figures = {}));
      figures[figure] = (figures[figure] ?? 0) + one.total[metric];
    });
  }
  return files;
}
