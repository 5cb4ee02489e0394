// Places calls in swimlanes: a lane for each thread, and for each further task that runs beside it.

// Returns lanes in order: {thread, task, rows, calls: [{call, row}]}, where `row` counts from the top of the lane.
export function lanesOf(calls, lastNs) {
  const lanes = [];
  const byThread = new Map();
  const placeOf = new Array(calls.begin_ns.length);
  for (let call = 0; call < calls.begin_ns.length; call++) {
    const thread = calls.thread[call];
    const begin = calls.begin_ns[call];
    const end = calls.end_ns[call] < 0 ? Math.max(lastNs, begin) : calls.end_ns[call];
    const parent = calls.parent[call] >= 0 ? placeOf[calls.parent[call]] : undefined;
    let lane, least;
    if (parent && parent.lane.thread === thread) {
      lane = parent.lane;
      least = parent.row + 1;
    } else {
      const mine = byThread.get(thread) ?? [];
      lane = mine.find((one) => one.ends.every((time) => time <= begin));
      if (!lane) {
        lane = { thread, task: mine.length, ends: [], calls: [] };
        mine.push(lane);
        byThread.set(thread, mine);
        lanes.push(lane);
      }
      least = 0;
    }
    let row = least;
    while (row < lane.ends.length && lane.ends[row] > begin) row++;
    lane.ends[row] = end;
    for (let at = 0; at < row; at++) lane.ends[at] ??= begin;
    placeOf[call] = { lane, row };
    lane.calls.push({ call, row });
  }
  lanes.sort((a, b) => a.thread - b.thread || a.task - b.task);
  return lanes.map(({ thread, task, ends, calls: placed }) => ({ thread, task, rows: ends.length, calls: placed }));
}
