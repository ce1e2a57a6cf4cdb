// Arrows and marks, what stands beside them, and what was chosen.

const ARROWS_APART = 2.5; // pixels
const LANDMARKS = new Set(["crash", "restart", "partition", "heal", "jump", "error"]); // drawn however many there are

// Places of an arrow's two ends, or null if its lanes or events are not shown.
function ends({ from, to, lost, late, goal, end }) {
  const row = view.rowOf[lane[from]], target = view.rowOf[goal];
  if (row < 0 || target < 0 || !(view.isShown[from] || view.isShown[to])) return null;
  const x1 = view.xOf(from), y1 = view.y(row);
  if (!lost) return [x1, y1, view.xOf(to), view.y(target)];
  const x2 = Math.max(view.x(axis.placeOf(end)), x1 + 9), side = target < row ? -1 : 1;
  if (target === row) return [x1, y1, x2, y1 - 0.3 * view.rowHeight];
  return [x1, y1, x2, late ? view.y(target) - side * 0.2 * view.rowHeight : y1 + side * view.rowHeight / 2];
}

function arrowsInView(use) {
  const earliest = axis.timeOf(view.start), latest = axis.timeOf(view.end);
  for (let k = lowerBound(latestEnd, earliest); k < arrows.length && time[arrows[k].from] <= latest; k++) {
    if (arrows[k].end < earliest) continue;
    const found = ends(arrows[k]);
    if (!found) continue;
    const [, y1, , y2] = found;
    if (Math.max(y1, y2) > AXIS - 60 && Math.min(y1, y2) < view.height + 60) use(arrows[k], found);
  }
}

function drawArrows(pen, crowded) {
  const last = new Map(), found = new Map(GROUP_NAMES.map((name) => [name, []]));
  let drawn = 0;
  arrowsInView((arrow, places) => {
    const key = ((arrow.lost ? 1 : 0) * hosts.length + lane[arrow.from]) * hosts.length + arrow.goal;
    const before = last.get(key), apart = !crowded ? 1 : arrow.lost ? 4 * ARROWS_APART : ARROWS_APART;
    if (before && Math.abs(before[0] - places[0]) < apart && Math.abs(before[2] - places[2]) < apart) return;
    last.set(key, places);
    found.get(colourOf(arrow)).push([arrow, places]);
    drawn++;
  });
  const strength = crowded ? Math.max(0.2, Math.min(0.5, 400 / drawn)) : Math.max(0.5, Math.min(0.9, 300 / drawn));
  for (const [name, list] of [...found].sort(([a], [b]) => (a === "fault") - (b === "fault"))) {
    pen.globalAlpha = name === "fault" ? 0.8 : view.chosen >= 0 && !crowded ? strength * 0.55 : strength;
    pen.strokeStyle = pen.fillStyle = colours[name];
    pen.lineWidth = crowded ? 1 : 1.3;
    if (crowded) drawLines(pen, list);
    else for (const [arrow, places] of list) drawArrow(pen, arrow, places);
  }
  pen.globalAlpha = 1;
  return drawn < 1500;
}

const colourOf = ({ from, to }) => isFault[from] || isFault[to] ? "fault" : GROUP_NAMES[groupNumber[from]];

// Arrows without heads, as one path: much faster than one by one.
function drawLines(pen, list) {
  pen.beginPath();
  for (const [{ lost }, [x1, y1, x2, y2]] of list) {
    pen.moveTo(x1, y1);
    pen.lineTo(x2, y2);
    if (!lost) continue;
    for (const side of [-3, 3]) { pen.moveTo(x2 - 3, y2 - side); pen.lineTo(x2 + 3, y2 + side); }
  }
  pen.stroke();
}

function drawArrow(pen, arrow, [x1, y1, x2, y2]) {
  const width = pen.lineWidth, what = textOf(kind, arrow.from);
  pen.setLineDash(what === "fin" ? [2, 3] : what === "retransmit" ? [7, 4] : []);
  if (y1 === y2) {
    const height = Math.min(view.rowHeight * 0.3, 22);
    pen.beginPath();
    pen.moveTo(x1, y1);
    pen.quadraticCurveTo((x1 + x2) / 2, y1 - height * 2, x2, y2);
    pen.stroke();
  } else line(pen, x1, y1, x2, y2);
  pen.setLineDash([]);
  if (arrow.lost) cross(pen, x2, y2, 4);
  else tipOf(pen, y1 === y2 ? Math.PI / 3 * Math.sign(x2 - x1 || 1) : Math.atan2(y2 - y1, x2 - x1), x2, y2);
  pen.lineWidth = width;
}

function tipOf(pen, angle, x, y) {
  const back = 4, length = 8, half = 3.4, c = Math.cos(angle), s = Math.sin(angle);
  const tx = x - back * c, ty = y - back * s, bx = tx - length * c, by = ty - length * s;
  pen.beginPath();
  pen.moveTo(tx, ty);
  pen.lineTo(bx - half * s, by + half * c);
  pen.lineTo(bx + half * s, by - half * c);
  pen.fill();
}

function cross(pen, x, y, half) {
  pen.lineWidth = 2;
  line(pen, x - half, y - half, x + half, y + half);
  line(pen, x - half, y + half, x + half, y - half);
}

// Too many events to draw each: bars, as high as there are many (their logarithm), with a red part for faults.
function drawBars(pen, from, to) {
  const columns = Math.ceil((view.width - view.gutter) / 2), counts = new Map(), faults = new Set();
  for (let k = from; k < to; k++) {
    const i = view.shown[k], row = view.rowOf[lane[i]];
    const key = row * columns + Math.floor((view.x(axis.place[i]) - view.gutter) / 2);
    if (isFault[i]) faults.add(key);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  for (const [key, many] of counts) {
    const row = Math.floor(key / columns), x = view.gutter + (key % columns) * 2, y = view.y(row);
    const half = Math.min(2.5 + 3.2 * Math.log2(many), view.rowHeight * 0.36);
    pen.fillStyle = colours.rail;
    pen.fillRect(x, y - half, 1.6, half * 2);
  }
  pen.fillStyle = colours.fault;
  for (const key of faults) {
    const row = Math.floor(key / columns), x = view.gutter + (key % columns) * 2;
    pen.fillRect(x, view.y(row) - 6, 2, 12);
  }
}

function drawMarks(pen, from, to, room, test) {
  const taken = new Map(), labels = [];
  for (const faulty of [0, 1]) {
    for (let k = from; k < to; k++) {
      const i = view.shown[k];
      if (isFault[i] !== faulty || !test(i)) continue;
      const y = view.y(view.rowOf[lane[i]]);
      if (y < AXIS - 20 || y > view.height + 20) continue;
      const x = view.xOf(i);
      drawMark(pen, i, x, y);
      labels.push([i, x, y]);
    }
  }
  if (room) for (const [i, x, y] of labels.reverse()) label(pen, i, x, y, taken);
}

function drawMark(pen, i, x, y, grow = 0) {
  const what = textOf(kind, i), group = GROUP_NAMES[groupNumber[i]];
  pen.fillStyle = pen.strokeStyle = colours[group];
  pen.lineWidth = 1.8;
  pen.beginPath();
  if (what === "crash") { cross(pen, x, y, 7 + grow); return; }
  if (what === "drop") { cross(pen, x, y, 3.5 + grow); return; }
  if (what === "restart") { pen.arc(x, y, 6 + grow, 0.9, 6.9); pen.fillStyle = colours.card; pen.fill(); pen.stroke(); return; }
  if ((what === "partition" || what === "heal") && peer[i] !== NOBODY) return drawBarrier(pen, i, x, y, what);
  if (group === "fault") { diamond(pen, x, y, 5.2 + grow); return; }
  if (group === "handler" || group === "work") { pen.roundRect(x - 3 - grow, y - 3 - grow, 6 + 2 * grow, 6 + 2 * grow, 1.5); pen.fill(); return; }
  const arrived = cause[i] >= 0;
  pen.arc(x, y, 3.2 + grow, 0, 2 * Math.PI);
  if (arrived) { pen.fillStyle = colours.card; pen.fill(); pen.stroke(); } else pen.fill();
}

function diamond(pen, x, y, half) {
  pen.moveTo(x, y - half);
  pen.lineTo(x + half, y);
  pen.lineTo(x, y + half);
  pen.lineTo(x - half, y);
  pen.fill();
}

// A partition, or its end: a line between the two lanes.
function drawBarrier(pen, i, x, y, what) {
  const row = view.rowOf[laneOfHost.get(peer[i])];
  const to = row < 0 ? y : view.y(row);
  pen.lineWidth = 1.6;
  pen.setLineDash(what === "heal" ? [3, 4] : [8, 3]);
  line(pen, x, y, x, to);
  pen.setLineDash([]);
  for (const end of [y, to]) {
    pen.beginPath();
    if (what === "heal") { pen.arc(x, end, 3.5, 0, 2 * Math.PI); pen.fill(); } else diamond(pen, x, end, 5.2);
  }
}

// What stands at a mark: above the rail for what came or left, below for what was done with it.
function label(pen, i, x, y, taken) {
  const group = GROUP_NAMES[groupNumber[i]], below = group === "handler" || group === "work" || group === "other";
  const text = textOf(kind, i) + (size[i] ? ` ${bytes(size[i])}` : "");
  const width = widthOf(pen, text), left = x - 4, key = view.rowOf[lane[i]] * 2 + (below ? 1 : 0);
  const spans = taken.get(key) ?? [];
  taken.set(key, spans);
  for (let k = spans.length - 1; k >= 0; k--) if (left < spans[k][1] && left + width + 10 > spans[k][0]) return;
  spans.push([left, left + width + 10]);
  write(pen, text, left, y + (below ? 17 : -14), Infinity, group === "fault" ? colours.fault : colours.quiet);
}

// What was chosen, what led to it, and what it led to.
function drawChosen(pen) {
  if (view.chosen < 0) return;
  pen.lineWidth = 2.6;
  arrowsInView((arrow, places) => {
    if (!view.chain.has(arrow.from) || !view.chain.has(arrow.to)) return;
    pen.strokeStyle = pen.fillStyle = colours[colourOf(arrow)];
    drawArrow(pen, arrow, places);
  });
  const row = view.rowOf[lane[view.chosen]];
  if (row < 0) return;
  const x = view.xOf(view.chosen), y = view.y(row);
  drawMark(pen, view.chosen, x, y, 1.5);
  pen.strokeStyle = colours.text;
  pen.lineWidth = 1.8;
  pen.beginPath();
  pen.arc(x, y, 11, 0, 2 * Math.PI);
  pen.stroke();
}
