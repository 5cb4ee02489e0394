// Phase paths: names joined by "/", with "/" and backslash in a name escaped by a backslash; see paths.py.

export function namesOf(path) {
  if (path === "") return [];
  const names = [];
  let name = "";
  for (let at = 0; at < path.length; at++) {
    if (path[at] === "\\" && at + 1 < path.length) name += path[++at];
    else if (path[at] === "/") {
      names.push(name);
      name = "";
    } else name += path[at];
  }
  names.push(name);
  return names;
}

export function pathOf(names) {
  return names.map((name) => name.replace(/[\\/]/g, "\\$&")).join("/");
}

// All paths around a path, outermost first, itself last.
export function pathsAround(path) {
  const names = namesOf(path);
  return names.map((_, at) => pathOf(names.slice(0, at + 1)));
}

export function isWithin(path, outer) {
  return path === outer || path.startsWith(`${outer}/`);
}
