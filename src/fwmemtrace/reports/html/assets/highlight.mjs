// Python source as tokens, for colours. Excerpts may begin or end anywhere, and need not be valid.

const KEYWORDS = new Set(
  ("False None True and as assert async await break class continue def del elif else except finally for from global if " +
    "import in is lambda match case nonlocal not or pass raise return try while with yield").split(" "),
);
const SOFT = new Set(["match", "case"]); // names elsewhere than at the beginning of a line with a colon in it
const TOKENS =
  /(#[^\n]*)|((?:\b[rbfut]{1,2})?(?:"""(?:\\[^]|(?!""")[^])*(?:"""|$)|'''(?:\\[^]|(?!''')[^])*(?:'''|$)|"(?:\\[^]|[^"\\\n])*"?|'(?:\\[^]|[^'\\\n])*'?))|(@[\w.]+)|(\b\d[\w.]*)|([\p{L}_][\p{L}\p{N}_]*)/giu;

// The lines of a text, each a list of [kind, text]; a kind is comment, string, defined, literal, keyword or "".
// `inside` is the quote of a string that began before the text, or "".
export function pythonLines(text, inside = "") {
  const lines = [[]];
  const add = (kind, part) =>
    part.split("\n").forEach((piece, at) => {
      if (at) lines.push([]);
      if (piece) lines[lines.length - 1].push([kind, piece]);
    });
  let at = 0;
  if (inside) {
    const end = text.indexOf(inside);
    at = end < 0 ? text.length : end + inside.length;
    add("string", text.slice(0, at));
  }
  let before = ""; // the word before
  TOKENS.lastIndex = at;
  for (let found = TOKENS.exec(text); found; found = TOKENS.exec(text)) {
    add("", text.slice(at, found.index));
    at = TOKENS.lastIndex;
    const [token, comment, string, decorator, number, word] = found;
    add(comment ? "comment" : string ? "string" : decorator ? kindOfAt(text, found.index) : number ? "literal" : kindOfWord(text, found.index, word, before), token);
    before = word ?? "";
  }
  add("", text.slice(at));
  return lines;
}

// An @ is a decorator's at the beginning of a line, and an operator elsewhere.
function kindOfAt(text, at) {
  return beginsLine(text, at) ? "defined" : "";
}

function kindOfWord(text, at, word, before) {
  if (before === "def" || before === "class") return "defined";
  if (!KEYWORDS.has(word) || text[at - 1] === ".") return "";
  if (!SOFT.has(word)) return "keyword";
  const end = text.indexOf("\n", at);
  return beginsLine(text, at) && /^\s+[^\s=.,)].*:/.test(text.slice(at + word.length, end < 0 ? undefined : end)) ? "keyword" : "";
}

function beginsLine(text, at) {
  return text.slice(text.lastIndexOf("\n", at - 1) + 1, at).trim() === "";
}
