// The lanes and what is behind them, the axis, and the overview. Only what is in view is drawn.

const RIBBON = 13; // pixels
const CROWDED = 0.22; // events for each pixel of a lane
const FONT = '12px system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';
let colours = {};

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["card", "row", "text", "quiet", "line", "rail", "down", "cut", "mark", "focus", ...GROUP_NAMES];
  colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  colours.hatch = hatch(colours.cut, 6);
  colours.faint = hatch(colours.down, 10);
}

function hatch(colour, width) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = width;
  const pen = tile.getContext("2d");
  pen.strokeStyle = colour;
  pen.lineWidth = width / 4;
  pen.beginPath();
  for (const by of [-width, 0, width]) { pen.moveTo(by, width); pen.lineTo(by + width, 0); }
  pen.stroke();
  return pen.createPattern(tile, "repeat");
}

function prepare(target) {
  const ratio = devicePixelRatio || 1, { clientWidth: width, clientHeight: height } = target;
  if (target.width !== Math.round(width * ratio) || target.height !== Math.round(height * ratio)) {
    target.width = Math.round(width * ratio);
    target.height = Math.round(height * ratio);
  }
  const pen = target.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = FONT;
  pen.lineJoin = "round";
  return pen;
}

function draw() {
  const pen = prepare(canvas);
  const [from, to] = view.range();
  const rowsInView = Math.min(view.rows.length, Math.ceil((view.height - AXIS) / view.rowHeight)) || 1;
  const crowded = (to - from) / ((view.width - view.gutter) * rowsInView) > CROWDED;
  pen.save();
  pen.beginPath();
  pen.rect(view.gutter, AXIS, view.width - view.gutter, view.height - AXIS);
  pen.clip();
  drawRows(pen);
  const ticks = drawGrid(pen);
  drawPeriods(pen);
  drawRails(pen);
  const room = drawArrows(pen, crowded);
  if (crowded) drawBars(pen, from, to);
  drawMarks(pen, from, to, room || crowded, crowded ? (i) => LANDMARKS.has(textOf(kind, i)) : () => true);
  drawChosen(pen);
  pen.restore();
  drawAxis(pen, ticks);
  drawGutter(pen);
  view.crowded = crowded;
}

function eachRow(use) {
  const first = Math.max(view.rowAt(AXIS), 0), last = Math.min(view.rowAt(view.height), view.rows.length - 1);
  for (let row = first; row <= last; row++) use(row, view.y(row), view.rows[row]);
}

function drawRows(pen) {
  pen.fillStyle = colours.row;
  eachRow((row, y) => { if (row % 2) pen.fillRect(0, y - view.rowHeight / 2, view.width, view.rowHeight); });
}

function drawPeriods(pen) {
  for (const { lane: where, start, end } of periods.down) {
    const row = view.rowOf[where];
    if (row < 0) continue;
    const x = Math.max(view.x(axis.placeOf(start)), view.gutter), right = Math.min(view.x(axis.placeOf(end)), view.width);
    if (right < view.gutter || x > view.width) continue;
    for (const style of [colours.down, colours.faint]) {
      pen.fillStyle = style;
      pen.fillRect(x, view.y(row) - view.rowHeight / 2 + 1, Math.max(right - x, 1), view.rowHeight - 2);
    }
    write(pen, "down", x + 8, view.y(row) + view.rowHeight / 2 - 9, right - x - 12, colours.fault);
  }
  const used = new Map();
  for (const { lane: where, other, start, end } of periods.cuts) {
    const row = view.rowOf[where];
    const x = Math.max(view.x(axis.placeOf(start)), view.gutter), right = Math.min(view.x(axis.placeOf(end)), view.width);
    if (row < 0 || right < view.gutter || x > view.width) continue;
    const ribbons = used.get(row) ?? [];
    used.set(row, ribbons);
    let level = ribbons.findIndex((until) => until <= x);
    if (level < 0) level = ribbons.length;
    ribbons[level] = right;
    const y = view.y(row) - view.rowHeight / 2 + 2 + level * RIBBON;
    if (level && (level + 1) * RIBBON > view.rowHeight / 2 - 20) continue;
    pen.fillStyle = colours.hatch;
    pen.fillRect(x, y, Math.max(right - x, 1), RIBBON - 1);
    if (right - x < 60) continue;
    pen.font = FONT.replace("12px", "10.5px");
    const text = shortened(pen, `nothing to ${hostName(other)}`, right - x - 24);
    pen.fillStyle = colours.card;
    pen.fillRect(x + 8, y, pen.measureText(text).width + 8, RIBBON - 1);
    pen.fillStyle = colours.fault;
    pen.textBaseline = "middle";
    pen.fillText(text, x + 12, y + RIBBON / 2);
    pen.font = FONT;
  }
}

function drawGrid(pen) {
  const ticks = axis.ticks(view.start, view.end, view.width - view.gutter);
  pen.fillStyle = colours.line;
  for (const [place] of ticks) pen.fillRect(Math.round(view.x(place)), AXIS, 1, view.height);
  for (const i of axis.breaks) {
    const right = view.x(axis.place[i]), left = view.x(axis.place[i] - axis.longGap);
    if (right < view.gutter || left > view.width) continue;
    pen.fillStyle = colours.row;
    pen.fillRect(left, AXIS, right - left, view.height);
    zigzag(pen, (left + right) / 2, AXIS, view.height);
  }
  return ticks;
}

function zigzag(pen, x, top, bottom) {
  pen.strokeStyle = colours.rail;
  pen.lineWidth = 1;
  pen.beginPath();
  for (let y = top, k = 0; y <= bottom; y += 6, k++) pen.lineTo(x + (k % 2 ? 3 : -3), y);
  pen.stroke();
}

function drawRails(pen) {
  eachRow((row, y, where) => {
    pen.strokeStyle = colours.rail;
    pen.lineWidth = 1;
    line(pen, view.gutter, y, view.width, y);
    for (const period of periods.down) {
      if (period.lane !== where) continue;
      pen.strokeStyle = colours.card;
      pen.lineWidth = 2;
      pen.setLineDash([4, 4]);
      line(pen, view.x(axis.placeOf(period.start)), y, view.x(axis.placeOf(period.end)), y);
      pen.setLineDash([]);
    }
  });
}

function line(pen, x1, y1, x2, y2) {
  pen.beginPath();
  pen.moveTo(x1, y1);
  pen.lineTo(x2, y2);
  pen.stroke();
}

const widths = new Map();
function widthOf(pen, text) {
  if (widths.size > 5000) widths.clear();
  if (!widths.has(text)) widths.set(text, pen.measureText(text).width);
  return widths.get(text);
}

function write(pen, text, x, y, room, colour) {
  if (room < 24) return;
  const shown = room === Infinity ? text : shortened(pen, text, room);
  pen.strokeStyle = colours.card;
  pen.lineWidth = 3;
  pen.textBaseline = "middle";
  pen.strokeText(shown, x, y);
  pen.fillStyle = colour;
  pen.fillText(shown, x, y);
}

function shortened(pen, text, room) {
  if (pen.measureText(text).width <= room) return text;
  let length = text.length;
  while (length > 1 && pen.measureText(text.slice(0, length) + "…").width > room) length = Math.floor(length * 0.9);
  return text.slice(0, length) + "…";
}

function drawAxis(pen, ticks) {
  pen.fillStyle = colours.card;
  pen.fillRect(0, 0, view.width, AXIS);
  pen.fillStyle = colours.line;
  pen.fillRect(0, AXIS - 1, view.width, 1);
  pen.textBaseline = "middle";
  for (const [place, text, more] of ticks) {
    const x = view.x(place);
    if (x < view.gutter || x > view.width - 20) continue;
    pen.fillStyle = colours.text;
    pen.fillText(text, x + 4, more ? 9 : 15);
    pen.fillStyle = colours.quiet;
    if (more) pen.fillText(more, x + 4, 21);
    pen.fillStyle = colours.line;
    pen.fillRect(Math.round(x), 4, 1, AXIS - 4);
  }
  for (const i of axis.breaks) {
    const x = view.x(axis.place[i] - axis.longGap / 2), room = axis.longGap * view.scale;
    if (x < view.gutter || x > view.width || room < 40) continue;
    const text = duration(time[i] - time[i - 1]), width = pen.measureText(text).width;
    pen.fillStyle = colours.card;
    pen.fillRect(x - width / 2 - 4, 2, width + 8, AXIS - 4);
    pen.fillStyle = colours.quiet;
    pen.fillText(text, x - width / 2, 15);
  }
}

function drawGutter(pen) {
  pen.fillStyle = colours.card;
  pen.fillRect(0, AXIS, view.gutter, view.height);
  pen.save();
  pen.beginPath();
  pen.rect(0, AXIS, view.gutter, view.height);
  pen.clip();
  pen.font = `600 ${FONT.replace("12px", "13px")}`;
  pen.textBaseline = "middle";
  eachRow((row, y, where) => {
    if (row % 2) { pen.fillStyle = colours.row; pen.fillRect(0, y - view.rowHeight / 2, view.gutter, view.rowHeight); }
    pen.fillStyle = data.strings[hosts[where]] ? colours.text : colours.quiet;
    pen.fillText(shortened(pen, hostName(where), view.gutter - 26), 16, y);
  });
  pen.restore();
  pen.font = FONT;
  pen.fillStyle = colours.quiet;
  pen.fillText(shortened(pen, axis.mode === "order" ? "order" : duration(axis.timeOf(view.end) - axis.timeOf(view.start)), view.gutter - 22), 16, 15);
  pen.fillStyle = colours.line;
  pen.fillRect(view.gutter - 1, 0, 1, view.height);
  const whole = view.rows.length * view.rowHeight, seen = view.height - AXIS;
  if (whole > seen + 1) {
    pen.fillStyle = colours.rail;
    pen.beginPath();
    pen.roundRect(view.width - 6, AXIS + view.top / whole * seen, 4, Math.max(seen * seen / whole, 20), 2);
    pen.fill();
  }
}

// All of it, small: how many events there are, where faults are, and what is in view.
function drawOverview() {
  const pen = prepare(overview), { clientWidth: width, clientHeight: height } = overview;
  const left = view.gutter, scale = (width - left - 8) / (axis.end - axis.start), x = (place) => left + (place - axis.start) * scale;
  const columns = Math.max(Math.ceil((width - left) / 2), 1), counts = new Uint32Array(columns), faults = new Uint8Array(columns);
  for (const i of view.shown) {
    const column = Math.floor((x(axis.place[i]) - left) / 2);
    counts[column]++;
    faults[column] |= isFault[i];
  }
  const most = Math.log2(1 + counts.reduce((a, b) => Math.max(a, b), 1));
  for (let k = 0; k < columns; k++) {
    const high = Math.log2(1 + counts[k]) / most * (height - 14);
    pen.fillStyle = colours.rail;
    pen.fillRect(left + 2 * k, height - 4 - high, 1.6, high);
    if (faults[k]) { pen.fillStyle = colours.fault; pen.fillRect(left + 2 * k, 3, 2, 5); }
  }
  pen.fillStyle = colours.quiet;
  pen.textBaseline = "middle";
  pen.fillText("All", 16, height / 2);
  const from = x(view.start), to = Math.max(x(view.end), from + 3);
  pen.globalAlpha = 0.14;
  pen.fillStyle = colours.focus;
  pen.fillRect(from, 0, to - from, height);
  pen.globalAlpha = 1;
  pen.fillRect(from - 1, 0, 2, height);
  pen.fillRect(to - 1, 0, 2, height);
}
