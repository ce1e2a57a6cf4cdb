// What the trace says: events column by column, lanes, arrows, and when hosts were down or cut off.

const data = JSON.parse(document.getElementById("trace").textContent);
const COUNT = data.time.length, FIRST = data.left_off;
const time = Float64Array.from(data.time), size = Float64Array.from(data.size);
const [kind, host, peer, flow, detail] = ["kind", "host", "peer", "flow", "detail"].map((name) => Uint32Array.from(data[name]));
const textOf = (column, i) => data.strings[column[i]];
// Of an event that is no longer kept the index is below zero, as for none.
const cause = Int32Array.from(data.cause, (number) => number < 0 ? -1 : Math.max(number - FIRST, -1));

const GROUPS = {
  stream: ["connect", "accept", "send", "deliver", "fin", "retransmit"],
  datagram: ["datagram", "arrive"],
  handler: ["open", "traffic", "close"],
  work: ["job", "task"],
  fault: data.faults,
};
const GROUP_NAMES = [...Object.keys(GROUPS), "other"];
const groupOfString = new Map(Object.entries(GROUPS).flatMap(([name, kinds]) => kinds.map((each) => [each, name])));
const groupOf = (i) => groupOfString.get(textOf(kind, i)) ?? "other";
const isFault = Uint8Array.from({ length: COUNT }, (_, i) => groupOf(i) === "fault");
const groupNumber = Uint8Array.from({ length: COUNT }, (_, i) => GROUP_NAMES.indexOf(groupOf(i)));

// Lanes, in the order in which something first happens at hosts; the world's own comes first, where it has one.
const NOBODY = data.strings.indexOf("");
const laneOfHost = new Map();
for (let i = 0; i < COUNT; i++) if (host[i] === NOBODY) { laneOfHost.set(NOBODY, 0); break; }
for (const column of [host, peer]) {
  for (const each of column) if (each !== NOBODY && !laneOfHost.has(each)) laneOfHost.set(each, laneOfHost.size);
}
const hosts = [...laneOfHost.keys()];
const hostName = (lane) => data.strings[hosts[lane]] || "the world";
const lane = Int32Array.from(host, (each) => laneOfHost.get(each));

// What an event has led to: a chain through those that have it for their cause.
const firstEffect = new Int32Array(COUNT).fill(-1), nextEffect = new Int32Array(COUNT).fill(-1);
for (let i = COUNT - 1; i >= 0; i--) {
  if (cause[i] < 0 || cause[i] >= COUNT) continue;
  nextEffect[i] = firstEffect[cause[i]];
  firstEffect[cause[i]] = i;
}
function* effects(i) {
  for (let j = firstEffect[i]; j >= 0; j = nextEffect[j]) yield j;
}

// Arrows, by when they begin. What is lost on its way ends between the lanes, as steep as others go there; what is
// lost later than it was sent, close to where it would have arrived.
function makeArrows() {
  const found = [], travel = new Map();
  for (let i = 0; i < COUNT; i++) {
    const from = cause[i];
    if (from < 0 || from >= COUNT) continue;
    const lost = textOf(kind, i) === "drop";
    const goal = !lost || lane[i] !== lane[from] ? lane[i] : laneOfHost.get(peer[i]) ?? laneOfHost.get(peer[from]) ?? lane[from];
    if (!lost && goal === lane[from] && time[i] === time[from]) continue;
    found.push({ from, to: i, lost, goal, late: time[i] > time[from], end: time[i] });
    if (!lost) {
      const key = lane[from] * hosts.length + goal, [sum, n] = travel.get(key) ?? [0, 0];
      travel.set(key, [sum + time[i] - time[from], n + 1]);
    }
  }
  for (const arrow of found) {
    if (!arrow.lost) continue;
    const key = lane[arrow.from] * hosts.length + arrow.goal, [sum, n] = travel.get(key) ?? [0, 1];
    arrow.end = Math.max(arrow.end, time[arrow.from] + sum / n / 2 / Math.max(Math.abs(arrow.goal - lane[arrow.from]), 1));
  }
  return found.sort((a, b) => a.from - b.from || a.to - b.to);
}
const arrows = makeArrows();
// The latest end of this arrow and all before it: where to begin with those that reach into a view.
const latestEnd = new Float64Array(arrows.length);
arrows.forEach((arrow, k) => { latestEnd[k] = Math.max(arrow.end, k ? latestEnd[k - 1] : arrow.end); });

// Periods: a host that is down, and what is cut between two.
function makePeriods() {
  const down = [], cuts = [], fallen = new Map(), cut = new Map();
  const start = COUNT ? time[0] : 0, end = COUNT ? time[COUNT - 1] : 0;
  const heal = (a, b, when) => {
    const open = cut.get(`${a} ${b}`);
    if (open) open.end = when;
    cut.delete(`${a} ${b}`);
  };
  for (let i = 0; i < COUNT; i++) {
    const what = textOf(kind, i);
    if (what === "crash" && !fallen.has(lane[i])) {
      fallen.set(lane[i], { lane: lane[i], start: time[i], end: Infinity });
      down.push(fallen.get(lane[i]));
    } else if (what === "restart") {
      const open = fallen.get(lane[i]);
      if (open) open.end = time[i];
      else if (FIRST && !down.some((each) => each.lane === lane[i])) down.push({ lane: lane[i], start, end: time[i] });
      fallen.delete(lane[i]);
    } else if ((what === "partition" || what === "heal") && peer[i] !== NOBODY) {
      const other = laneOfHost.get(peer[i]), oneWay = textOf(detail, i).includes("one way");
      const pairs = oneWay ? [[lane[i], other]] : [[lane[i], other], [other, lane[i]]];
      for (const [a, b] of pairs) {
        if (what === "heal") heal(a, b, time[i]);
        else if (!cut.has(`${a} ${b}`)) {
          const made = { lane: a, other: b, start: time[i], end: Infinity };
          cut.set(`${a} ${b}`, made);
          cuts.push(made);
        }
      }
    }
  }
  for (const each of [...down, ...cuts]) each.end = Math.min(each.end, end);
  return { down, cuts };
}
const periods = makePeriods();

// Events of one host at one instant stand beside each other, in their order, where there is room.
const rank = new Uint16Array(COUNT), crowd = new Uint16Array(COUNT), nextTime = new Float64Array(COUNT).fill(Infinity);
{
  const open = new Map();
  for (let i = 0; i < COUNT; i++) {
    const group = open.get(lane[i]);
    if (group && time[group[0]] === time[i]) {
      rank[i] = Math.min(group.length, 65535);
      group.push(i);
    } else {
      if (group) for (const each of group) { crowd[each] = Math.min(group.length, 65535); nextTime[each] = time[i]; }
      open.set(lane[i], [i]);
    }
  }
  for (const group of open.values()) for (const each of group) crowd[each] = Math.min(group.length, 65535);
}

// The first index whose value is not below a limit.
function lowerBound(values, limit, length = values.length) {
  let low = 0, high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

const grouped = (text) => text.replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
const number = (value) => grouped(String(value));
function seconds(value, digits = 6) {
  const [whole, part] = value.toFixed(digits).split(".");
  return grouped(whole) + (part ? "." + part.replace(/(\d{3})(?=\d)/g, "$1\u202f") : "");
}
function duration(value) {
  if (value >= 3600) return `${(value / 3600).toPrecision(3)} h`;
  if (value >= 60) return `${(value / 60).toPrecision(3)} min`;
  if (value >= 1) return `${value.toPrecision(3)} s`;
  return value >= 1e-3 ? `${(value * 1e3).toPrecision(3)} ms` : `${(value * 1e6).toPrecision(3)} µs`;
}
function bytes(value) {
  if (value < 1000) return `${value} B`;
  return value < 1e6 ? `${(value / 1e3).toPrecision(3)} kB` : `${(value / 1e6).toPrecision(3)} MB`;
}
