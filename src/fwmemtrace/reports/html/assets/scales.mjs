// Scales and stacks of areas.

// Round values from 0 or `low` to `high`, at most so many.
export function ticks(low, high, most = 6) {
  const span = high - low;
  if (!(span > 0)) return [low];
  const rough = span / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const made = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) made.push(value);
  return made;
}

export function linear(from, to) {
  const [a, b] = from;
  const [c, d] = to;
  const factor = b === a ? 0 : (d - c) / (b - a);
  const scale = (value) => c + (value - a) * factor;
  scale.invert = (value) => (factor === 0 ? a : a + (value - c) / factor);
  return scale;
}

// The last place whose time is at or before a moment; -1 if there is none. `times` rise.
export function placeBefore(times, moment) {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= moment) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

// The categories of readings, one on top of the other: [{key, low: [], high: []}], the first at the bottom.
// Negative corrections count as 0, so that areas do not overlap.
export function stackedAreas(readings, order) {
  const base = new Array(readings.at_ns.length).fill(0);
  return order.map((key) => {
    const values = key === "" ? readings.unexplained_bytes : readings.categories[key];
    const low = [...base];
    for (let at = 0; at < base.length; at++) base[at] += Math.max(values[at], 0);
    return { key, low, high: [...base] };
  });
}
