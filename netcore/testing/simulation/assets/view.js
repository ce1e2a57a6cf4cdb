// What is looked at: a part of the axis, the lanes, and the events that pass the filters.

const GUTTER = 132, AXIS = 30;
const byId = (id) => document.getElementById(id);
const canvas = byId("lanes"), overview = byId("overview");

const view = {
  start: 0, end: 1, // places on the axis
  top: 0, // pixels by which the lanes are scrolled
  width: 0, height: 0,
  rows: [], // lanes that are shown, from above
  rowOf: new Int32Array(hosts.length).fill(-1),
  rowHeight: 60,
  shown: Int32Array.from({ length: COUNT }, (_, i) => i),
  isShown: new Uint8Array(COUNT).fill(1),
  chosen: -1,
  chain: new Set(),
  hovered: -1,

  get gutter() { return this.width < 600 ? 84 : GUTTER; },
  get scale() { return (this.width - this.gutter - 8) / (this.end - this.start); },
  x(place) { return this.gutter + (place - this.start) * this.scale; },
  placeAt(x) { return this.start + (x - this.gutter) / this.scale; },
  y(row) { return AXIS + (row + 0.5) * this.rowHeight - this.top; },
  rowAt(y) { return Math.floor((y - AXIS + this.top) / this.rowHeight); },

  // Where an event stands: at its time, beside others of the same instant if there is room.
  xOf(i) {
    const x = this.x(axis.place[i]);
    if (!rank[i] || axis.mode === "order") return x;
    const room = nextTime[i] === Infinity ? Infinity : (axis.placeOf(nextTime[i]) - axis.place[i]) * this.scale;
    return x + rank[i] * Math.min(11, 0.8 * room / crowd[i]);
  },

  // The events in view, as a range of positions in `shown`.
  range() {
    return [this.position(this.start), this.position(this.end + 1e-12 * Math.abs(this.end))];
  },
  position(place) {
    return lowerBound(this.shown, lowerBound(axis.place, place));
  },

  resize(width, height) {
    this.width = width;
    this.height = height;
    const room = (height - AXIS - 4) / Math.max(this.rows.length, 1);
    this.rowHeight = Math.min(Math.max(room, 46), 150);
    this.scrollTo(this.top);
  },
  scrollTo(top) {
    const most = this.rows.length * this.rowHeight - (this.height - AXIS);
    this.top = Math.max(Math.min(top, most), 0);
    redraw();
  },
  show(start, end) {
    const whole = axis.end - axis.start, least = Math.min(axis.mode === "order" ? 4 : 1e-8, whole);
    const span = Math.min(Math.max(end - start, least), whole);
    const from = Math.min(Math.max((start + end - span) / 2, axis.start), axis.end - span);
    this.start = from;
    this.end = from + span;
    redraw();
  },
  zoom(factor, at = (this.start + this.end) / 2) {
    this.show(at - (at - this.start) * factor, at + (this.end - at) * factor);
  },
  move(share) {
    const by = (this.end - this.start) * share;
    this.show(this.start + by, this.end + by);
  },
  fit() { this.show(axis.start, axis.end); },

  choose(i, bring = false) {
    this.chosen = i;
    this.chain = new Set();
    if (i >= 0) {
      for (let j = i; j >= 0; j = cause[j]) this.chain.add(j);
      const open = [i];
      while (open.length && this.chain.size < 5000) {
        for (const j of effects(open.pop())) if (!this.chain.has(j)) { this.chain.add(j); open.push(j); }
      }
      if (bring) this.bring(i);
    }
    tell(i);
    redraw();
  },
  bring(i) {
    const place = axis.place[i], span = this.end - this.start;
    if (place < this.start + span * 0.04 || place > this.end - span * 0.04) this.show(place - span / 2, place + span / 2);
    const row = this.rowOf[lane[i]];
    if (row >= 0 && (this.y(row) < AXIS + 20 || this.y(row) > this.height - 20)) this.scrollTo((row + 0.5) * this.rowHeight - this.height / 2);
  },

  // The next event that is shown, or the one before: of all, or of those that a test takes.
  step(by, test = () => true) {
    const middle = (this.start + this.end) / 2;
    let at = this.chosen >= 0 ? lowerBound(this.shown, this.chosen) : this.position(middle) - (by > 0 ? 0 : 1);
    if (this.chosen >= 0 && (by < 0 || this.shown[at] === this.chosen)) at += by;
    while (at >= 0 && at < this.shown.length && !test(this.shown[at])) at += by;
    if (at >= 0 && at < this.shown.length) this.choose(this.shown[at], true);
  },
};

let planned = false;
function redraw() {
  if (planned) return;
  planned = true;
  requestAnimationFrame(() => {
    planned = false;
    draw();
    drawOverview();
    listSoon();
  });
}

// Filters.

const wanted = { hosts: new Set(hosts.keys()), kinds: new Set(kind), flow: "", text: "" };

function filter() {
  const text = wanted.text.toLowerCase(), flowText = wanted.flow.toLowerCase();
  const fits = data.strings.map((each) => each.toLowerCase().includes(text));
  const flowFits = data.strings.map((each) => each.toLowerCase().includes(flowText));
  const asked = /^#?\d+$/.test(text) ? Number(text.replace("#", "")) - FIRST : -1;
  const kept = [];
  for (let i = 0; i < COUNT; i++) {
    const fit = wanted.kinds.has(kind[i]) && wanted.hosts.has(lane[i]) && (!flowText || flowFits[flow[i]])
      && (!text || fits[detail[i]] || fits[kind[i]] || fits[host[i]] || fits[peer[i]] || fits[flow[i]] || i === asked);
    view.isShown[i] = fit ? 1 : 0;
    if (fit) kept.push(i);
  }
  view.shown = Int32Array.from(kept);
  view.rows = [...hosts.keys()].filter((each) => wanted.hosts.has(each));
  view.rowOf.fill(-1);
  view.rows.forEach((each, row) => { view.rowOf[each] = row; });
  const all = kept.length === COUNT;
  byId("reset").hidden = all && view.rows.length === hosts.length;
  byId("found").textContent = all ? "" : `${number(kept.length)} of ${number(COUNT)}`;
  view.resize(view.width, view.height);
}
