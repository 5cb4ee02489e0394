// A squarified treemap (Bruls, Huizing, van Wijk, 2000): rectangles whose areas are proportional to their sizes.

export function squarify(items, x, y, width, height) {
  const sized = items.filter((item) => item.size > 0).sort((a, b) => b.size - a.size);
  const total = sized.reduce((sum, item) => sum + item.size, 0);
  const made = [];
  if (!total || width <= 0 || height <= 0) return made;
  const scale = (width * height) / total;
  let start = 0;
  while (start < sized.length) {
    const side = Math.min(width, height);
    let end = start + 1;
    let sum = sized[start].size * scale;
    let best = worstRatio(sized, start, end, sum, side, scale);
    while (end < sized.length) {
      const more = sum + sized[end].size * scale;
      const ratio = worstRatio(sized, start, end + 1, more, side, scale);
      if (ratio > best) break;
      best = ratio;
      sum = more;
      end++;
    }
    const thickness = sum / side;
    let along = 0;
    for (let at = start; at < end; at++) {
      const length = (sized[at].size * scale) / thickness;
      made.push(
        width >= height
          ? { item: sized[at], x, y: y + along, w: thickness, h: length }
          : { item: sized[at], x: x + along, y, w: length, h: thickness },
      );
      along += length;
    }
    if (width >= height) {
      x += thickness;
      width -= thickness;
    } else {
      y += thickness;
      height -= thickness;
    }
    start = end;
  }
  return made;
}

function worstRatio(items, start, end, sum, side, scale) {
  const most = items[start].size * scale;
  const least = items[end - 1].size * scale;
  return Math.max((side * side * most) / (sum * sum), (sum * sum) / (side * side * least));
}
