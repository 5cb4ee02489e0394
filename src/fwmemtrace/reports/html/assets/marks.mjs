// Moments on the timeline: garbage collections and snapshots. Notes are text of their own on the page.
const SHAPES = { collection: "\u25b2", "full collection": "\u25b2", snapshot: "\u25bc" };

export function shownMarks(details) {
  return (details?.marks ?? []).filter((mark) => mark.kind in SHAPES);
}

// Kinds that there are, with the sign that stands for each.
export function kindsOf(marks) {
  return Object.entries(SHAPES).filter(([kind]) => marks.some((mark) => mark.kind === kind));
}

// Marks so close to a moment that a pointer there means them, the nearest first; `time` maps moments to pixels.
export function marksNear(marks, time, at, pixels = 5) {
  const distance = (mark) => Math.abs(time(mark.at_ns) - time(at));
  return marks.filter((mark) => distance(mark) <= pixels).sort((a, b) => distance(a) - distance(b));
}
