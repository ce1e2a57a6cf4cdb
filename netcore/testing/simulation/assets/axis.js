// From virtual time to places on the axis, and back. A place is a number that grows with each event: the time
// itself, the time with idleness squeezed, or the number of the event.

const SQUEEZED_FROM = 20; // mean gaps between events
const SQUEEZED_TO = 0.03; // of the time that is not idle, at least

const axis = {
  mode: "time",
  place: time,
  breaks: [], // of squeezed idleness: the index of the event after it
  start: 0,
  end: 1,
  longGap: Infinity,

  use(mode) {
    this.mode = mode;
    this.breaks = [];
    if (mode === "time") this.place = time;
    else if (mode === "order") this.place = Float64Array.from(time, (_, i) => i);
    else {
      this.place = new Float64Array(COUNT);
      for (let i = 1; i < COUNT; i++) {
        const gap = time[i] - time[i - 1], long = gap > this.longGap;
        if (long) this.breaks.push(i);
        this.place[i] = this.place[i - 1] + (long ? this.longGap : gap);
      }
    }
    const first = COUNT ? this.place[0] : 0, last = COUNT ? this.place[COUNT - 1] : 1;
    const margin = (last - first) * 0.015 || 0.5;
    this.start = first - margin;
    this.end = last + margin;
  },

  placeOf(when) {
    if (this.mode === "time" || !COUNT) return when;
    const i = lowerBound(time, when);
    if (i === COUNT) return this.place[COUNT - 1] + (this.mode === "order" ? 0 : when - time[COUNT - 1]);
    if (time[i] === when || i === 0) return this.place[i];
    const share = (when - time[i - 1]) / (time[i] - time[i - 1]);
    return this.place[i - 1] + share * (this.place[i] - this.place[i - 1]);
  },

  timeOf(place) {
    if (this.mode === "time" || !COUNT) return place;
    const i = lowerBound(this.place, place);
    if (i === COUNT) return time[COUNT - 1];
    if (i === 0 || this.place[i] === place) return time[i];
    const share = (place - this.place[i - 1]) / (this.place[i] - this.place[i - 1]);
    return time[i - 1] + share * (time[i] - time[i - 1]);
  },

  // Idleness is long if it is many times the mean gap; what is long by that no longer counts for the mean. Returns
  // how much of the time passes in it.
  findLongGaps() {
    const gaps = Array.from(time, (when, i) => i ? when - time[i - 1] : 0);
    const sum = (values) => values.reduce((a, b) => a + b, 0);
    let active = gaps, before;
    do {
      before = active.length;
      this.longGap = SQUEEZED_FROM * sum(active) / before || Infinity;
      active = active.filter((gap) => gap <= this.longGap);
    } while (active.length < before);
    this.longGap = Math.max(this.longGap, SQUEEZED_TO * sum(active));
    return sum(gaps.filter((gap) => gap > this.longGap)) / sum(gaps) || 0;
  },

  // Where lines and labels go: [place, label].
  ticks(start, end, width) {
    if (!COUNT) return [];
    const wanted = Math.max(width / 120, 2);
    if (this.mode === "order") {
      const step = Math.max(niceStep((end - start) / wanted), 1), found = [];
      for (let n = Math.max(Math.ceil(start / step), 0); n * step <= end && n * step < COUNT; n++) {
        found.push([n * step, `#${number(FIRST + n * step)}`, `${seconds(time[n * step])} s`]);
      }
      return found;
    }
    const step = niceStep((end - start) / wanted), digits = Math.min(Math.max(-Math.floor(Math.log10(step) + 1e-9), 0), 12);
    const edges = [start, ...this.breaks.map((i) => this.place[i]).filter((place) => place > start && place - this.longGap < end), end];
    const found = [];
    let last = -Infinity;
    for (let k = 0; k + 1 < edges.length; k++) {
      const from = Math.max(edges[k], start), to = Math.min(k + 2 < edges.length ? edges[k + 1] - this.longGap : edges[k + 1], end);
      if (to < from) continue;
      const offset = this.mode === "time" ? 0 : this.timeWithin(from, to) - (from + to) / 2;
      for (let n = Math.ceil((from + offset) / step - 1e-9); n * step <= to + offset; n++) {
        const place = n * step - offset;
        if (place - last < step * 0.75 || n < 0) continue;
        found.push([place, `${seconds(n * step, digits)} s`]);
        last = place;
      }
    }
    return found;
  },

  // The time in the middle of places between which no idleness is squeezed.
  timeWithin(from, to) {
    const middle = (from + to) / 2;
    if (middle < this.place[0]) return time[0] - (this.place[0] - middle);
    if (middle > this.place[COUNT - 1]) return time[COUNT - 1] + middle - this.place[COUNT - 1];
    return this.timeOf(middle);
  },
};

function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 5, 10].find((each) => each * power >= rough * 0.999);
}
