// What the reader has chosen. It is in the fragment of the address, so that a link shows the same.

const DEFAULTS = {
  pid: "",
  theme: "",
  from: "",
  to: "",
  zoom: "",
  phase: "",
  kind: "",
  sort: "",
  find: "",
  stacks: "native",
  metric: "",
  view: "",
  search: "",
  moment: "largest",
  source: "",
  section: "",
};

export function readFragment(fragment) {
  const text = fragment.replace(/^#/, "");
  const state = { ...DEFAULTS };
  if (text && !text.includes("=")) {
    state.section = text;
    return state;
  }
  for (const [key, value] of new URLSearchParams(text)) if (Object.hasOwn(DEFAULTS, key)) state[key] = value;
  return state;
}

export function writeFragment(state) {
  const kept = new URLSearchParams();
  for (const [key, value] of Object.entries(DEFAULTS)) if (state[key] !== value) kept.set(key, state[key]);
  return kept.toString();
}

export function makeStore(state, onWrite) {
  const listeners = [];
  return {
    get: () => state,
    set(change) {
      const changed = Object.keys(change).filter((key) => state[key] !== change[key]);
      if (!changed.length) return;
      state = { ...state, ...change };
      onWrite(state);
      for (const [keys, listener] of listeners) if (keys.some((key) => changed.includes(key))) listener(state, changed);
    },
    on: (keys, listener) => listeners.push([keys, listener]),
  };
}
