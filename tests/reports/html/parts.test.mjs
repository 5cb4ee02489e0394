// The parts of the page's script that draw nothing. pytest runs this with the folder of the modules in ASSETS.
import assert from "node:assert/strict";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const load = (name) => import(pathToFileURL(`${process.env.ASSETS}/${name}.mjs`).href);
const { csvText } = await load("csv");
const { formatRange, packageOf, shorten, tickText, visible } = await load("format");
const { pythonLines } = await load("highlight");
const { importTree } = await load("importtree");
const { lanesOf } = await load("lanes");
const { kindsOf, marksNear, shownMarks } = await load("marks");
const { namesOf, pathOf, pathsAround } = await load("paths");
const { kindColumn, phaseColumns, phaseForest, visibleRows } = await load("phasetree");
const { placeBefore, stackedAreas, ticks } = await load("scales");
const { bytesByLine } = await load("sourcelines");
const { squarify } = await load("squarify");
const stacks = await load("stacks");
const { makeStore, readFragment, writeFragment } = await load("state");
const { trendBand, trendLine } = await load("trend");
const { waterfallSteps } = await load("waterfall");

test("a CSV cell is quoted where it must be, and never a formula", () => {
  assert.equal(csvText(["a", "b"], [['x,"y"', 1], ["=1+1", null]]), 'a,b\r\n"x,""y""",1\r\n\'=1+1,\r\n');
});

test("a pointer means the marks near it, the nearest first, and no notes", () => {
  const marks = [["collection", 100], ["snapshot", 130], ["note", 131], ["collection", 900]].map(([kind, at_ns]) => ({ kind, at_ns }));
  const shown = shownMarks({ marks });
  assert.deepEqual(kindsOf(shown).map(([kind]) => kind), ["collection", "snapshot"]);
  const near = (at) => marksNear(shown, (ns) => ns / 10, at).map((mark) => mark.at_ns);
  assert.deepEqual([near(128), near(500), near(940)], [[130, 100], [], [900]]);
  assert.deepEqual(shownMarks(undefined), []);
});

test("a value on an axis has no zeros behind its point", () => {
  const shown = ["200.0 MB", "1.50 GB", "2.00 GB", "0 B", "100 B", "0.5 s"].map(tickText);
  assert.deepEqual(shown, ["200 MB", "1.5 GB", "2 GB", "0 B", "100 B", "0.5 s"]);
});

test("a range has its unit once where it can", () => {
  assert.equal(formatRange(20e6, 35e6), "20.0 to 35.0 MB");
  assert.equal(formatRange(999e3, 35e6), "999.0 kB to 35.0 MB");
  assert.equal(formatRange(7, 7), "7 B");
});

test("a long name keeps its ends", () => {
  const short = shorten(`begin${"x".repeat(10000)}end`, 60);
  assert.ok(short.length <= 60 && short.startsWith("begin") && short.endsWith("end"));
  assert.equal(visible("a\u202eb\ud800\n"), "a\\u202eb\\ud800\\n");
});

test("a package is the folder in site-packages", () => {
  assert.equal(packageOf("/v/lib/site-packages/torch/nn/modules.py"), "torch");
  assert.equal(packageOf("/v/lib/site-packages/six.py"), "six");
  assert.equal(packageOf("/srv/app.py"), "");
});

test("paths are read and written with their escapes", () => {
  for (const names of [["a"], ["a/b", "c\\d"], ["", "x"], ["\\", "/"]]) assert.deepEqual(namesOf(pathOf(names)), names);
  assert.deepEqual(pathsAround("a/b\\/c"), ["a", "a/b\\/c"]);
});

const calls = (rows) => ({
  thread: rows.map((row) => row[0]),
  begin_ns: rows.map((row) => row[1]),
  end_ns: rows.map((row) => row[2]),
  parent: rows.map((row) => row[3] ?? -1),
});

test("calls that overlap never share a row, inner calls are below", () => {
  const rows = [[0, 0, 100], [0, 10, 50, 0], [0, 20, 40, 1], [0, 30, 60], [1, 5, -1], [0, 45, 55, 0]];
  const lanes = lanesOf(calls(rows), 200);
  assert.deepEqual(lanes.map((lane) => [lane.thread, lane.task]), [[0, 0], [0, 1], [1, 0]]);
  const placed = new Map(lanes.flatMap((lane) => lane.calls.map(({ call, row }) => [call, row])));
  assert.equal(placed.size, rows.length);
  assert.ok(placed.get(0) < placed.get(1) && placed.get(1) < placed.get(2) && placed.get(5) > placed.get(1));
  for (const lane of lanes) {
    const ends = [];
    for (const { call, row } of lane.calls) {
      assert.ok(row < lane.rows);
      assert.ok((ends[row] ?? -Infinity) <= rows[call][1]);
      ends[row] = rows[call][2] < 0 ? 200 : rows[call][2];
    }
  }
});

test("a phase whose peak has no stacks is told from one without a peak", () => {
  const root = stacks.node("", "all", stacks.PHASE, 1);
  const add = (parent, name, kind, own) => {
    const made = stacks.node(name, name, kind, 1, { path: kind === stacks.PHASE ? name : null });
    made.own[0] = own;
    parent.children.push(made);
    return made;
  };
  const [known, lost, idle] = ["known", "lost", "idle"].map((name) => add(root, name, stacks.PHASE, 0));
  for (const [phase, bytes] of [[known, 5], [lost, 0], [idle, 0]]) add(phase, "f", stacks.PYTHON, bytes);
  const peaks = { known: 5, lost: 7, idle: 0 };
  assert.deepEqual(stacks.unknownPeaks(stacks.addUp(root), 0, (path) => peaks[path]), ["lost"]);
});

test("ticks are round and inside", () => {
  assert.deepEqual(ticks(0, 10, 5), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(ticks(7, 7), [7]);
  assert.ok(ticks(3e9, 7.7e9, 6).every((value) => value >= 3e9 && value <= 7.7e9));
  assert.equal(placeBefore([1, 3, 3, 5], 4), 2);
  assert.equal(placeBefore([1], 0), -1);
});

test("areas lie on each other, and their top is the sum", () => {
  const readings = { at_ns: [0, 1], categories: { file: [5, 6], tracer: [-1, 2] }, unexplained_bytes: [3, 1] };
  const [file, tracer, rest] = stackedAreas(readings, ["file", "tracer", ""]);
  assert.deepEqual([file.low, file.high, tracer.high, rest.high], [[0, 0], [5, 6], [5, 8], [8, 9]]);
});

test("the areas of a treemap are proportional and inside", () => {
  const sizes = [500, 300, 200, 100, 50, 1, 0];
  const boxes = squarify(sizes.map((size) => ({ size })), 10, 20, 300, 200);
  assert.equal(boxes.length, 6);
  for (const { item, x, y, w, h } of boxes) {
    assert.ok(Math.abs(w * h - (item.size * 60000) / 1151) < 1e-6);
    assert.ok(x >= 10 - 1e-9 && y >= 20 - 1e-9 && x + w <= 310 + 1e-6 && y + h <= 220 + 1e-6);
  }
});

const phase = (path, parent, delta, more = {}) => ({ path, parent, name: path.split("/").pop(), calls: 1, wall_ns: 1, native: null, python_heap: null, objects: null, tensors: null, resident: { delta_bytes: delta, peak_bytes: 0 }, ...more });

test("the steps of the waterfall add up to the byte", () => {
  const rows = [phase("main", null, 1000), phase("main/a", "main", 600), phase("main/b", "main", 300), phase("other", null, -7), phase("", null, 0)];
  const process = { before_session_bytes: 50, outside_phases_bytes: 11, overlap_bytes: 4, end_bytes: 1050 };
  for (const most of [1, 2, 30]) {
    const steps = waterfallSteps(process, rows, most);
    for (let at = 1; at < steps.length - 1; at++) assert.equal(steps[at].from, steps[at - 1].to);
    assert.equal(steps.at(-1).unaccounted, 0);
    assert.equal(steps.at(-2).to, process.end_bytes);
  }
  const labels = waterfallSteps(process, rows).map((step) => step.label);
  assert.deepEqual(labels.slice(1, 5), ["main / a", "main / b", "main, itself", "other"]);
});

test("the table of phases sorts siblings, and a search keeps what is around a hit", () => {
  const rows = [phase("a", null, 1), phase("a/x", "a", 5), phase("a/y", "a", 9), phase("b", null, 3), phase("lost/z", "lost", 2)];
  const forest = phaseForest(rows);
  const [change] = phaseColumns(rows);
  const paths = (options) => visibleRows(forest, options).map((line) => line.row.path);
  assert.deepEqual(paths({ open: () => true }), ["a", "a/x", "a/y", "b", "lost/z"]);
  assert.deepEqual(paths({ open: () => true, sort: { get: change.get, descending: true } }), ["b", "lost/z", "a", "a/y", "a/x"]);
  assert.deepEqual(paths({ open: () => false }), ["a", "b", "lost/z"]);
  assert.deepEqual(paths({ open: () => false, find: "y" }), ["a", "a/y"]);
  assert.deepEqual(paths({ open: () => true, wanted: (path) => path === "a/x" }), ["a", "a/x"]);
  assert.ok(!phaseColumns(rows).some((column) => column.key === "native"));
});

// phases a, a/b and "" with stacks main > f > g and main > import > h
const PACKED = {
  metrics: ["live", "allocated"],
  strings: ["main", "/srv/app.py", "f", "g", "libx.so", "_call", "<frozen importlib._bootstrap>", "h", "/v/site-packages/torch/x.py"],
  function: [0, 2, 3, 5, 7],
  file: [1, 1, 1, 6, 8],
  line: [1, 2, 3, 4, 5],
  library: [-1, -1, 4, -1, -1],
  kind: [1, 1, 0, 2, 0],
  paths: ["a", "a/b", ""],
  depth: [0, 1, 2, 3, 1, 0, 1, 2, 3, 0, 1],
  frame: [-1, 0, 1, 2, -2, -1, 0, 3, 4, -1, 1],
  rows: [2, 3, 4, 8, 10],
  values: [[1, 10, 100, 1000, 10000], [2, 20, 200, 2000, 20000]],
};

test("a tree adds up in every arrangement", () => {
  const tree = stacks.stackTree(PACKED);
  assert.deepEqual(tree.total, [11111, 22222]);
  assert.deepEqual(tree.children.map((one) => [one.label, one.total[0]]), [["a", 1111], ["outside any phase", 10000]]);
  for (const changed of [stacks.foldImports(tree), stacks.invert(tree), stacks.byLibrary(tree, packageOf)]) assert.deepEqual(changed.total, tree.total);
  const folded = stacks.foldImports(tree);
  stacks.walk(folded, (one) => assert.notEqual(one.kind, stacks.IMPORT));
  assert.equal(stacks.invert(tree).children.find((one) => one.label.startsWith("h")).total[0], 1000);
  const libraries = Object.fromEntries(stacks.byLibrary(tree, packageOf).children.map((one) => [one.label, one.total[0]]));
  assert.deepEqual(libraries, { "libx.so": 10, torch: 1000, "the program's own code": 10001, "Python and others": 100 });
});

test("only the wanted phases are left, without those inside them", () => {
  const only = stacks.onlyPhases(stacks.stackTree(PACKED), (path) => path === "a");
  assert.equal(only.total[0], 111);
  assert.equal(stacks.onlyPhases(stacks.stackTree(PACKED), (path) => path === "a/b").total[0], 1000);
});

test("a match inside a match counts once", () => {
  const tree = stacks.stackTree(PACKED);
  assert.equal(stacks.matches(tree, "APP.PY", 0).sum, 10 + 1 + 1000 + 10000);
  assert.equal(stacks.matches(tree, "libx", 0).sum, 10);
  assert.equal(stacks.matches(tree, "nothing", 0).found.size, 0);
});

test("boxes of an icicle are inside the box above", () => {
  const boxes = stacks.icicleLayout(stacks.stackTree(PACKED), 0, 1000, 0);
  for (const box of boxes.slice(1)) {
    const above = boxes[box.parent];
    assert.equal(box.depth, above.depth + 1);
    assert.ok(box.x >= above.x - 1e-9 && box.x + box.w <= above.x + above.w + 1e-6);
  }
  assert.deepEqual(stacks.icicleLayout(stacks.node("", "", stacks.PHASE, 1), 0, 100), []);
});

test("a recursive line counts once", () => {
  const frame = { function: "f", file: "/srv/app.py", line: 2, library: null };
  const root = stacks.node("", "", stacks.PHASE, 1);
  const outer = stacks.node("f", "f", stacks.OWN, 1, { frame });
  const inner = stacks.node("f", "f", stacks.OWN, 1, { frame, own: [7] });
  outer.children.push(inner);
  root.children.push(outer);
  assert.deepEqual(bytesByLine([["live", stacks.addUp(root), 0]]).get("/srv/app.py").get(2), { live: 7 });
});

test("imports are below the module that imported them, and the line that asked", () => {
  const row = (module, parent, own, asked) => ({ module, parent, own_bytes: own, own_ns: 1, nearest_own: asked ? { file: "/srv/app.py", line: asked, module } : null, asked_by: "" });
  const tree = importTree([row("b", "a", 5, 3), row("a", null, 7, 3), row("c", null, -4, 0), row("x", "y", 1, 0), row("y", "x", 1, 0)]);
  assert.equal(tree.total[0], 14);
  assert.deepEqual(tree.children.map((one) => one.label)[0], "app.py:3");
  assert.equal(tree.children[0].children[0].children[0].label, "b");
});

test("the fragment keeps every choice", () => {
  const state = { ...readFragment(""), phase: "a b/ü&=#", search: "x", source: "/srv/a.py:3" };
  assert.deepEqual(readFragment(`#${writeFragment(state)}`), state);
  assert.equal(writeFragment(readFragment("")), "");
  assert.equal(readFragment("#growth").section, "growth");
  assert.ok(!("nonsense" in readFragment("#nonsense=1")));
});

test("listeners hear of what they asked for, once for each change", () => {
  const heard = [];
  const store = makeStore(readFragment(""), () => heard.push("written"));
  store.on(["phase"], () => heard.push("phase"));
  store.set({ phase: "a" });
  store.set({ phase: "a" });
  store.set({ search: "x" });
  assert.deepEqual(heard, ["written", "phase", "written"]);
});

test("the fitted line has the slope, and its band turns around the middle", () => {
  const values = [9, 9, 10, 12, 14, 16];
  const line = trendLine(values, 2, 1, 2);
  assert.deepEqual(line, [[2, 10], [5, 16]]);
  const [a, b, c, d] = trendBand(line, 2, 0.5, 1.5);
  assert.equal((a[1] + c[1]) / 2, 13);
  assert.ok(b[1] > c[1] && d[1] < a[1]);
  assert.deepEqual(trendBand(trendLine([1], 1, 0, 0), 1, 0, 0), []);
});

test("source is tokens, whose text is the source", () => {
  const text = '@phase("x")\nasync def f(match, n: int = 0x1F) -> None:  # def\n    match n:\n        case 1: return rb"\\"a" @ match\n    """if\n    not"""\n    x.is, "if not closed\n';
  const lines = pythonLines(text);
  assert.equal(lines.map((tokens) => tokens.map(([, part]) => part).join("")).join("\n"), text);
  const of = (kind) => lines.flatMap((tokens) => tokens.filter((one) => one[0] === kind).map((one) => one[1]));
  assert.deepEqual(of("keyword"), ["async", "def", "None", "match", "case", "return"]);
  assert.deepEqual(of("defined"), ["@phase", "f"]);
  assert.deepEqual(of("literal"), ["0x1F", "1"]);
  assert.deepEqual(of("comment"), ["# def"]);
  assert.deepEqual(of("string"), ['"x"', 'rb"\\"a"', '"""if', '    not"""', '"if not closed']);
});

test("an excerpt may begin inside of a string", () => {
  assert.deepEqual(pythonLines('for x\nin """ if', '"""'), [[["string", "for x"]], [["string", 'in """'], ["", " "], ["keyword", "if"]]]);
  assert.deepEqual(pythonLines("for\n", "'''"), [[["string", "for"]], []]);
});

test("the column of a category has the ledger's sums, and nothing where there is no ledger", () => {
  const items = [["file", 5], ["python heap", 7], ["file", -2]].map(([category, bytes]) => ({ category, bytes }));
  const ledger = new Map([["a", { items, unexplained_bytes: 4 }]]);
  const of = (category) => ["a", "b"].map((path) => kindColumn(ledger, category, "x").get({ path }));
  assert.deepEqual([of("file"), of("device"), of("")], [[3, null], [0, null], [4, null]]);
});

test("a search for a line is not one for the lines that begin like it", () => {
  const root = stacks.node("", "all", stacks.PHASE, 1);
  for (const [label, bytes] of [["f (app.py:1)", 1], ["f (app.py:12)", 10], ["app.py:12 (app.py:1)", 100]]) {
    const one = stacks.node(label, label, stacks.OWN, 1);
    one.own[0] = bytes;
    root.children.push(one);
  }
  const sum = (text) => stacks.matches(stacks.addUp(root), text, 0).sum;
  assert.deepEqual([sum("app.py:1"), sum("APP.py:12"), sum("app.py:"), sum("app.py")], [101, 110, 111, 111]);
});
