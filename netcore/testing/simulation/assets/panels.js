// What is told in words: facts about the run, the event that was chosen, and a table of what is in view.

const MOST_ROWS = 300;

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) if (value) made.setAttribute(key, value);
  return made;
}

function button(text, act) {
  const made = element("button", text, { type: "button" });
  made.addEventListener("click", act);
  return made;
}

function pair(name, ...content) {
  const value = element("dd");
  value.append(...content);
  return [element("dt", name), value];
}

function tellFacts() {
  const span = COUNT ? `${seconds(time[0], 3)} to ${seconds(time[COUNT - 1], 3)} s` : "none";
  const told = [
    ...(data.seed === null ? [] : [["Seed", element("code", data.seed)]]),
    ["Digest", element("code", data.digest)],
    ["Events", number(data.count)],
    ...(FIRST ? [["Left off", `the first ${number(FIRST)}, by the limit`]] : []),
    ["Virtual time", span],
    ["Faults", number(isFault.reduce((a, b) => a + b, 0))],
  ];
  byId("facts").append(...told.map((each) => {
    const both = element("div");
    both.append(...pair(...each));
    return both;
  }));
}

const LEGEND = { stream: "stream", datagram: "datagram", handler: "handler", work: "job or task", fault: "fault", other: "other", arrival: "arrival" };

function tellLegend() {
  byId("legend").append(...Object.entries(LEGEND).map(([name, text]) => {
    const both = element("span");
    both.append(element("span", undefined, { class: `swatch ${name}` }), text);
    return both;
  }));
}

const nameOf = (i) => `#${number(FIRST + i)} ${textOf(kind, i)}${host[i] === NOBODY ? "" : ` on ${textOf(host, i)}`}`;
const link = (i) => button(nameOf(i), () => view.choose(i, true));

function since(i) {
  const passed = time[i] - time[cause[i]];
  return passed ? ` ${duration(passed)} before` : " at the same time";
}

function tell(i) {
  const place = byId("details");
  byId("event-title").textContent = i < 0 ? "Event" : `Event ${number(FIRST + i)}`;
  if (i < 0) {
    place.replaceChildren(element("p", "Choose one: a mark, an arrow or a line of the table."));
    return;
  }
  const list = element("dl"), named = data.cause[i];
  list.append(
    ...pair("Kind", element("span", textOf(kind, i), { class: isFault[i] && "fault" }), data.kinds[textOf(kind, i)] ? `: ${data.kinds[textOf(kind, i)]}` : ""),
    ...pair("Time", `${seconds(time[i], 9)} s`),
    ...(host[i] === NOBODY ? [] : pair("Host", textOf(host, i))),
    ...(peer[i] === NOBODY ? [] : pair("Peer", textOf(peer, i))),
    ...(flow[i] === NOBODY ? [] : pair("Flow", textOf(flow, i))),
    ...(size[i] ? pair("Bytes", number(size[i])) : []),
    ...(detail[i] === NOBODY ? [] : pair("Detail", textOf(detail, i))),
    ...(named < 0 ? [] : pair("Because of", ...(cause[i] < 0 ? [`#${number(named)}, which is no longer kept`] : [link(cause[i]), since(i)]))),
  );
  const led = [];
  for (const j of effects(i)) if (led.push(j) === 12) break;
  if (led.length) list.append(...pair("Led to", ...led.map(link), led.length === 12 ? "…" : ""));
  const actions = element("p", undefined, { class: "actions" });
  if (flow[i] !== NOBODY) actions.append(button("Only this flow", () => ask({ flow: textOf(flow, i) })));
  actions.append(button("Closer", () => {
    const span = (view.end - view.start) / 8;
    view.show(axis.place[i] - span / 2, axis.place[i] + span / 2);
  }));
  place.replaceChildren(list, actions);
}

let listing = 0;
function listSoon() {
  clearTimeout(listing);
  listing = setTimeout(list, 120);
}

function list() {
  let [from, to] = view.range();
  const many = to - from;
  if (many > MOST_ROWS) {
    const at = lowerBound(view.shown, view.chosen);
    if (view.chosen >= 0 && at >= from && at < to) from = Math.max(from, Math.min(at - MOST_ROWS / 2, to - MOST_ROWS));
    to = from + MOST_ROWS;
  }
  byId("listing-title").textContent = many > MOST_ROWS ? `Events in view: ${MOST_ROWS} of ${number(many)}` : `Events in view: ${number(many)}`;
  const rows = Array.from(view.shown.subarray(from, to), (i) => {
    const row = element("tr", undefined, { "aria-current": i === view.chosen && "true" });
    const open = button(number(FIRST + i), () => view.choose(i));
    const cells = [textOf(kind, i), textOf(host, i), textOf(peer, i), textOf(flow, i), size[i] ? number(size[i]) : "", textOf(detail, i)];
    const first = element("td", undefined, { class: "number" });
    first.append(open);
    row.append(first, element("td", seconds(time[i]), { class: "number" }));
    row.append(...cells.map((text, k) => element("td", text, { class: k === 0 && isFault[i] ? "fault" : k === 4 && "number" })));
    row.addEventListener("click", () => view.choose(i));
    return row;
  });
  const body = document.querySelector("#listing tbody");
  const focused = body.contains(document.activeElement) && document.activeElement.textContent;
  body.replaceChildren(...rows);
  if (focused) [...body.querySelectorAll("button")].find((each) => each.textContent === focused)?.focus({ preventScroll: true });
  const current = body.querySelector("[aria-current]"), box = byId("listing");
  if (current && (current.offsetTop < box.scrollTop || current.offsetTop > box.scrollTop + box.clientHeight - 40)) {
    box.scrollTop = current.offsetTop - box.clientHeight / 2;
  }
}
