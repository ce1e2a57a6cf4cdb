// Mouse, touch, keys, and the filters' menus.

const NEAR = 9; // pixels

// The event at a place: a mark that is near, or the event that an arrow which is near comes from.
function eventAt(x, y) {
  if (x < view.gutter || y < AXIS) return -1;
  const reach = 60 / view.scale + NEAR / view.scale, place = view.placeAt(x);
  const from = view.position(place - reach), to = view.position(place + reach);
  let found = -1, closest = view.crowded ? view.rowHeight / 2 : NEAR;
  for (let k = from; k < to; k++) {
    const i = view.shown[k], far = Math.hypot(view.xOf(i) - x, view.y(view.rowOf[lane[i]]) - y);
    if (far < closest || (far === closest && isFault[i])) { closest = far; found = i; }
  }
  if (found >= 0 || view.crowded) return found;
  closest = NEAR / 2;
  arrowsInView((arrow, [x1, y1, x2, y2]) => {
    if (x < Math.min(x1, x2) - NEAR || x > Math.max(x1, x2) + NEAR || y < Math.min(y1, y2) - NEAR || y > Math.max(y1, y2) + NEAR) return;
    const share = Math.max(0, Math.min(1, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / ((x2 - x1) ** 2 + (y2 - y1) ** 2 || 1)));
    const far = Math.hypot(x1 + share * (x2 - x1) - x, y1 + share * (y2 - y1) - y);
    if (far < closest) { closest = far; found = arrow.lost ? arrow.to : arrow.from; }
  });
  return found;
}

function hover(x, y) {
  const i = eventAt(x, y), tip = byId("tip");
  canvas.classList.toggle("over", i >= 0);
  tip.hidden = i < 0;
  if (i < 0) return;
  if (view.hovered !== i) {
    view.hovered = i;
    const rest = [textOf(flow, i), size[i] ? bytes(size[i]) : "", textOf(detail, i)].filter(Boolean).join(" · ");
    tip.replaceChildren(element("strong", nameOf(i), { class: isFault[i] && "fault" }), ` ${seconds(time[i])} s`, element("div", rest));
  }
  const { offsetWidth: width, offsetHeight: height } = tip;
  tip.style.left = `${Math.max(0, Math.min(x + 14, view.width - width - 6))}px`;
  tip.style.top = `${y + 16 + height > view.height ? y - height - 12 : y + 16}px`;
}

function listenToPointers() {
  const down = new Map();
  let moved = false, apart = 0;
  const at = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, at(event));
    moved = down.size > 1;
    byId("tip").hidden = true;
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = at(event), before = down.get(event.pointerId);
    if (!before) return hover(x, y);
    down.set(event.pointerId, [x, y]);
    if (down.size === 2) {
      const [[ax], [bx]] = [...down.values()], now = Math.max(Math.abs(ax - bx), 10);
      if (apart) view.zoom(apart / now, view.placeAt((ax + bx) / 2));
      apart = now;
      return;
    }
    if (!moved && Math.hypot(x - before[0], y - before[1]) < 4) { down.set(event.pointerId, before); return; }
    moved = true;
    canvas.classList.add("moving");
    const by = (before[0] - x) / view.scale;
    view.show(view.start + by, view.end + by);
    view.scrollTo(view.top + before[1] - y);
  });
  const up = (event) => {
    if (!down.delete(event.pointerId)) return;
    apart = 0;
    canvas.classList.remove("moving");
    if (!moved && event.type === "pointerup") view.choose(eventAt(...at(event)));
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => { byId("tip").hidden = true; });
  canvas.addEventListener("dblclick", (event) => view.zoom(1 / 4, view.placeAt(at(event)[0])));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const pixels = event.deltaMode ? 16 : 1, [x] = at(event);
    if (x < view.gutter) view.scrollTo(view.top + event.deltaY * pixels);
    else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) view.move((event.deltaX || event.deltaY) * pixels / view.width);
    else view.zoom(Math.exp(Math.max(-100, Math.min(100, event.deltaY * pixels)) / 240), view.placeAt(x));
  }, { passive: false });

  const go = (event) => {
    if (!event.buttons) return;
    const x = event.clientX - overview.getBoundingClientRect().left, share = (x - view.gutter) / (overview.clientWidth - view.gutter - 8);
    const middle = axis.start + share * (axis.end - axis.start), half = (view.end - view.start) / 2;
    view.show(middle - half, middle + half);
  };
  overview.addEventListener("pointerdown", (event) => { overview.setPointerCapture(event.pointerId); go(event); });
  overview.addEventListener("pointermove", go);
}

const KEYS = {
  "+": () => view.zoom(1 / 1.6), "=": () => view.zoom(1 / 1.6), "-": () => view.zoom(1.6), "0": () => view.fit(), Home: () => view.fit(),
  ArrowLeft: () => view.move(-0.15), ArrowRight: () => view.move(0.15), PageUp: () => view.move(-0.9), PageDown: () => view.move(0.9),
  ArrowUp: () => view.scrollTo(view.top - view.rowHeight), ArrowDown: () => view.scrollTo(view.top + view.rowHeight),
  n: () => view.step(1), p: () => view.step(-1), f: () => view.step(1, (i) => isFault[i]), F: () => view.step(-1, (i) => isFault[i]),
  Escape: () => view.choose(-1),
};

function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches("input, select, summary, button");
    if (event.key === "Escape") for (const menu of document.querySelectorAll(".menu[open]")) menu.open = false;
    if (event.key === "/" && !event.target.matches("input")) { byId("text").focus(); event.preventDefault(); return; }
    if (event.target.matches("input, select") || (typing && !/^[a-z0+=-]$/i.test(event.key))) return;
    if (byId("listing").contains(event.target) && /^(Arrow|Page|Home)/.test(event.key)) return;
    const act = KEYS[event.key];
    if (!act) return;
    act();
    event.preventDefault();
  });
}

function menu(id, entries, chosen) {
  const place = byId(id), boxes = new Map();
  const tellChosen = () => {
    const all = chosen.size === entries.length;
    place.querySelector(".chosen").textContent = all ? `all ${entries.length}` : `${chosen.size} of ${entries.length}`;
    for (const [key, box] of boxes) box.checked = chosen.has(key);
  };
  const choose = (keys) => {
    chosen.clear();
    for (const key of keys) chosen.add(key);
    tellChosen();
    filter();
  };
  const quick = element("p");
  quick.append(button("All", () => choose(entries.map(({ key }) => key))), button("None", () => choose([])));
  if (id === "kinds") quick.append(button("Faults", () => choose(entries.filter(({ group }) => group === "fault").map(({ key }) => key))));
  place.querySelector(".choices").append(quick, ...entries.map(({ key, name, count, group }) => {
    const line = element("label"), box = element("input", undefined, { type: "checkbox" });
    boxes.set(key, box);
    box.addEventListener("change", () => choose(box.checked ? [...chosen, key] : [...chosen].filter((each) => each !== key)));
    line.append(box);
    if (group) line.append(element("span", undefined, { class: `swatch ${group}` }));
    line.append(name, element("small", number(count)));
    return line;
  }));
  tellChosen();
  return { choose, all: () => choose(entries.map(({ key }) => key)) };
}

function count(column) {
  const found = new Map();
  for (const each of column) found.set(each, (found.get(each) ?? 0) + 1);
  return found;
}

function ask(changed) {
  Object.assign(wanted, changed);
  byId("flow").value = wanted.flow;
  byId("text").value = wanted.text;
  filter();
}

function makeTools() {
  const onLane = count(lane), ofKind = count(kind);
  const kinds = [...ofKind].map(([key, many]) => {
    const name = data.strings[key];
    return { key, name, count: many, group: groupOfString.get(name) ?? "other" };
  });
  kinds.sort((a, b) => GROUP_NAMES.indexOf(a.group) - GROUP_NAMES.indexOf(b.group) || (a.name < b.name ? -1 : 1));
  const menus = [
    menu("hosts", [...hosts.keys()].map((key) => ({ key, name: hostName(key), count: onLane.get(key) ?? 0 })), wanted.hosts),
    menu("kinds", kinds, wanted.kinds),
  ];
  const flows = [...count(flow).keys()].filter((each) => each !== NOBODY).slice(0, 1000);
  byId("flows").append(...flows.map((each) => element("option", undefined, { value: data.strings[each] })));
  byId("flow").addEventListener("input", (event) => ask({ flow: event.target.value }));
  byId("text").addEventListener("input", (event) => ask({ text: event.target.value }));
  byId("reset").addEventListener("click", () => {
    for (const each of menus) each.all();
    ask({ flow: "", text: "" });
  });
  byId("tools").addEventListener("submit", (event) => event.preventDefault());
  const buttons = { in: "+", out: "-", fit: "0", later: "f", earlier: "F" };
  for (const [id, key] of Object.entries(buttons)) byId(id).addEventListener("click", KEYS[key]);
  byId("axis").addEventListener("change", (event) => useAxis(event.target.value));
  document.addEventListener("pointerdown", (event) => {
    for (const each of document.querySelectorAll(".menu[open]")) if (!each.contains(event.target)) each.open = false;
  });
}

function useAxis(mode) {
  const start = axis.timeOf(view.start), end = axis.timeOf(view.end), whole = view.start <= axis.start && view.end >= axis.end;
  axis.use(mode);
  byId("axis").value = mode;
  if (whole) view.fit();
  else view.show(axis.placeOf(start), axis.placeOf(end));
}

// An event's number after # in the address chooses it.
function openAddress() {
  const i = Number(location.hash.slice(1)) - FIRST;
  if (!/^#\d+$/.test(location.hash) || i < 0 || i >= COUNT) return;
  const span = Math.min((axis.end - axis.start) / 20, 200 * (axis.end - axis.start) / COUNT);
  view.show(axis.place[i] - span / 2, axis.place[i] + span / 2);
  view.choose(i);
}

readColours();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); redraw(); });
axis.use(axis.findLongGaps() > 0.6 ? "squeezed" : "time");
byId("axis").value = axis.mode;
view.start = axis.start;
view.end = axis.end;
tellFacts();
tellLegend();
tell(-1);
makeTools();
listenToPointers();
listenToKeys();
new ResizeObserver(() => view.resize(canvas.clientWidth, canvas.clientHeight)).observe(byId("plot"));
addEventListener("hashchange", openAddress);
filter();
openAddress();
