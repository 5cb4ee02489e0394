// The inverse of columns.py: tables in columns become lists of objects.

export function unpack(value) {
  if (Array.isArray(value)) return value.map(unpack);
  if (value === null || typeof value !== "object") return value;
  if ("$columns" in value) return unpackTable(value);
  const made = {};
  for (const key of Object.keys(value)) setKey(made, key.startsWith("$") ? key.slice(1) : key, unpack(value[key]));
  return made;
}

function unpackTable(table) {
  const nulls = new Set(table.$null ?? []);
  const count = table.$n - nulls.size;
  const columns = Object.entries(table.$columns).map(([key, column]) => [key, unpackColumn(column, count)]);
  const rows = [];
  let present = 0;
  for (let at = 0; at < table.$n; at++) {
    if (nulls.has(at)) {
      rows.push(null);
      continue;
    }
    const row = {};
    for (const [key, values] of columns) setKey(row, key, values[present]);
    rows.push(row);
    present++;
  }
  return rows;
}

function unpackColumn(column, count) {
  if (Array.isArray(column)) return column.map(unpack);
  if ("$all" in column) {
    const values = new Array(count).fill(unpack(column.$all));
    for (const [at, value] of Object.entries(column.$but ?? {})) values[at] = value;
    return values;
  }
  if ("$keep" in column) return frontDecoded(column);
  if ("$values" in column) return column.$at.map((at) => column.$values[at]);
  return unpackTable(column);
}

// A name from the trace may be "__proto__".
function setKey(object, key, value) {
  Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
}

export function frontDecoded({ $keep, $rest }) {
  let before = "";
  return $rest.map((rest, at) => (before = before.slice(0, $keep[at]) + rest));
}
