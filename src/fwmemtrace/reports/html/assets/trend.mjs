// The line and the band of a growth chart.

// The straight line of a slope through the middle of the points, in units of points: [[x, y], ...] at both ends.
export function trendLine(values, stride, slope, first) {
  const places = values.map((_, at) => at).filter((at) => at >= first);
  if (places.length < 2) return [];
  const rests = places.map((at) => values[at] - slope * stride * at).sort((a, b) => a - b);
  const middle = rests.length >> 1;
  const start = rests.length % 2 ? rests[middle] : (rests[middle - 1] + rests[middle]) / 2;
  const ends = [places[0], places[places.length - 1]];
  return ends.map((at) => [at, start + slope * stride * at]);
}

// The band between two slopes that turn around the middle of the line.
export function trendBand(line, stride, low, high) {
  if (line.length < 2) return [];
  const [[x0, y0], [x1, y1]] = line;
  const half = ((x1 - x0) / 2) * stride;
  const middle = (y0 + y1) / 2;
  return [
    [x0, middle - low * half],
    [x1, middle + high * half],
    [x1, middle + low * half],
    [x0, middle - high * half],
  ];
}
