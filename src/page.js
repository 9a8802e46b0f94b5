"use strict";
// Draws the history that stands in #data. Text from people goes into the page by textContent only.
const data = JSON.parse(document.getElementById("data").textContent);
const [OPENED, WROTE, STORED, RECEIVED, SHOWN, LATE, REPLACED, RECEIPT, CURSOR, LEVEL] = Array(10).keys();
const COLOUR = ["soft", "wrote", "stored", "received", "shown", "late", "away", "soft", "soft", "soft"];
const WIDTH = [10, 16, 6, 6, 7, 9, 12, 3, 2, 2];
const MARKS_DRAWN_MAX = 2500, TOP = 26, AXIS_PX = 130, FIRST_WINDOW = 900;
const { lane, act, entry, event, server, source, at, extra } = data.marks;
const count = lane.length, again = new Set(data.again);
const lanes = data.lanes, servers = lanes.filter(([, isServer]) => isServer).length;
const chart = document.getElementById("diagram"), strip = document.getElementById("overview");
const tip = document.getElementById("tip"), byId = id => document.getElementById(id);
let laneHeight = 0, colours = {}, drawing = 0;
let position = new Float64Array(count), isVisible = new Uint8Array(count), order = new Int32Array(0), total = 1;
let view = { from: 0, to: 1 }, chosen = -1, hovered = -1, focused = -1;
const wanted = { conversation: -1, small: false };

// Which marks came of a mark: results.list from results.start[i] to results.start[i + 1].
const results = (() => {
  const start = new Int32Array(count + 1);
  for (let i = 0; i < count; i++) if (source[i] >= 0) start[source[i] + 1]++;
  for (let i = 0; i < count; i++) start[i + 1] += start[i];
  const next = start.slice(), list = new Int32Array(start[count]);
  for (let i = 0; i < count; i++) if (source[i] >= 0) list[next[source[i]]++] = i;
  return { start, list };
})();

// ---- where everything is ----------------------------------------------------------------------------

function witnesses() {
  const finding = data.findings[chosen];
  return { marks: new Set(finding ? finding.marks : []), events: new Set(finding ? finding.events : []) };
}

function arrange() {
  const { marks } = witnesses();
  let x = 20, seen = [];
  for (let i = 0; i < count; i++) {
    const isOfEvent = event[i] >= 0;
    const fits = wanted.conversation < 0 || (isOfEvent && data.events[event[i]][0] === wanted.conversation)
      || act[i] === OPENED || act[i] === REPLACED;
    isVisible[i] = marks.has(i) || (fits && (act[i] < RECEIPT || wanted.small)) ? 1 : 0;
    if (isVisible[i]) { x += WIDTH[act[i]]; seen.push(i); }
    position[i] = x;
  }
  order = Int32Array.from(seen);
  total = x + 20;
}

function firstAt(x) {
  let low = 0, high = order.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (position[order[middle]] < x) low = middle + 1; else high = middle;
  }
  return low;
}

const scale = () => chart.clientWidth / (view.to - view.from);
const toX = x => (x - view.from) * scale();
const toY = l => TOP + laneHeight * (l + .5);

function look(from, to) {
  const least = 40, span = Math.min(Math.max(to - from, least), total);
  const middle = (from + to) / 2;
  let start = Math.min(Math.max(middle - span / 2, 0), total - span);
  view = { from: start, to: start + span };
  redraw();
}

function zoom(by, around = (view.from + view.to) / 2) {
  look(around - (around - view.from) * by, around + (view.to - around) * by);
}

const pan = by => look(view.from + by, view.to + by);

// ---- drawing ----------------------------------------------------------------------------------------

function redraw() {
  if (!drawing) drawing = requestAnimationFrame(() => { drawing = 0; draw(); drawOverview(); });
}

function prepare(canvas, height) {
  const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth;
  canvas.style.height = height + "px";
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = "12px system-ui, 'DejaVu Sans', sans-serif";
  return { pen, width, height };
}

function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["ground", "panel", "ink", "soft", "line", "lane", "good", "bad", "wrote", "stored",
    "received", "shown", "late", "again", "away", "glow", "focus"]) {
    colours[name] = style.getPropertyValue("--" + name).trim();
  }
}

function draw() {
  const room = chart.parentElement.clientWidth > 0 ? window.innerHeight * .62 : 400;
  laneHeight = Math.max(40, Math.min(86, (room - TOP) / lanes.length));
  const { pen, width, height } = prepare(chart, TOP + laneHeight * lanes.length + 4);
  layNames(height);
  const low = firstAt(view.from - 20), high = firstAt(view.to + 20);
  const { marks, events } = witnesses();
  drawWindow(pen, height, marks);
  drawAxis(pen, width, height, low, high);
  drawLanes(pen, width);
  drawAway(pen);
  if (high - low > MARKS_DRAWN_MAX) drawDensity(pen, width, low, high);
  else drawMarks(pen, low, high, marks, events);
  drawWitnesses(pen, marks, events);
  for (const i of [focused, hovered]) if (i >= 0 && isVisible[i]) drawRing(pen, i, colours.focus, 10);
  showTip();
}

function layNames(height) {
  const names = byId("names");
  names.style.height = height + "px";
  [...names.children].forEach((name, l) => { name.style.top = (toY(l) - 9) + "px"; });
}

function drawWindow(pen, height, marks) {
  if (!marks.size) return;
  const xs = [...marks].map(i => toX(position[i]));
  const from = Math.min(...xs) - 16, to = Math.max(...xs) + 16;
  pen.fillStyle = colours.glow;
  pen.globalAlpha = .35;
  pen.fillRect(from, TOP, to - from, height - TOP);
  pen.globalAlpha = 1;
}

const clock = ms => {
  const time = new Date(ms), two = n => String(n).padStart(2, "0");
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${String(time.getMilliseconds()).padStart(3, "0")}`;
};

function drawAxis(pen, width, height, low, high) {
  pen.fillStyle = colours.soft; pen.strokeStyle = colours.line; pen.lineWidth = 1;
  let free = 0;
  for (let k = low; k < high; k++) {
    const i = order[k], x = toX(position[i]);
    if (at[i] < 0 || x < free || x > width - 60) continue;
    pen.beginPath(); pen.moveTo(x, 16); pen.lineTo(x, height); pen.stroke();
    pen.fillText(clock(data.base + at[i]), x + 3, 12);
    free = x + AXIS_PX;
  }
}

function drawLanes(pen, width) {
  lanes.forEach(([, isServer], l) => {
    pen.strokeStyle = colours.lane; pen.lineWidth = isServer ? 1 : 2;
    pen.beginPath(); pen.moveTo(0, toY(l)); pen.lineTo(width, toY(l)); pen.stroke();
  });
}

function drawAway(pen) {
  for (const [l, after, until, missed] of data.away) {
    const from = toX(after < 0 ? 0 : position[after]) + 6, to = toX(until < 0 ? total : position[until]) - 6;
    if (to < 0 || from > chart.clientWidth || to - from < 1) continue;
    const left = Math.max(from, 0), right = Math.min(to, chart.clientWidth), y = toY(l);
    pen.fillStyle = colours.panel; pen.fillRect(left, y - 3, right - left, 6);
    pen.globalAlpha = .14; pen.fillStyle = colours.away; pen.fillRect(left, y - 11, right - left, 22);
    pen.globalAlpha = 1; pen.strokeStyle = colours.away; pen.lineWidth = 1.5; pen.setLineDash([4, 5]);
    pen.beginPath(); pen.moveTo(left, y); pen.lineTo(right, y); pen.stroke(); pen.setLineDash([]);
    const words = [`away: ${missed} stored elsewhere meanwhile`, `away: ${missed}`, "away"]
      .find(text => pen.measureText(text).width < right - left - 16);
    if (words) { pen.fillStyle = colours.away; pen.fillText(words, left + 8, y - 15); }
  }
}

function drawDensity(pen, width, low, high) {
  const columns = Math.ceil(width), counts = new Uint16Array(columns * lanes.length * 2);
  for (let k = low; k < high; k++) {
    const i = order[k], x = Math.floor(toX(position[i]));
    if (x < 0 || x >= columns) continue;
    const isLine = act[i] === SHOWN || act[i] === LATE ? 1 : 0;
    counts[(lane[i] * columns + x) * 2 + isLine]++;
  }
  const most = Math.max(1, (high - low) / columns / lanes.length * 3);
  lanes.forEach(([, isServer], l) => {
    for (let x = 0; x < columns; x++) {
      const [marks, lines] = [counts[(l * columns + x) * 2], counts[(l * columns + x) * 2 + 1]];
      const room = laneHeight * .36;
      if (marks) {
        const tall = 2 + room * Math.min(1, marks / most);
        pen.fillStyle = isServer ? colours.stored : colours.wrote;
        pen.globalAlpha = .75; pen.fillRect(x, toY(l) - tall, 1, tall);
      }
      if (lines) {
        const tall = 2 + room * Math.min(1, lines / most);
        pen.fillStyle = colours.shown;
        pen.globalAlpha = .75; pen.fillRect(x, toY(l), 1, tall);
      }
    }
  });
  pen.globalAlpha = 1;
  for (let k = low; k < high; k++) {
    const i = order[k];
    if (act[i] === LATE || act[i] === REPLACED || act[i] === OPENED || again.has(i)) drawMark(pen, i, 1);
  }
}

function drawMarks(pen, low, high, marks, events) {
  const lit = hovered >= 0 ? event[hovered] : focused >= 0 ? event[focused] : -1;
  const span = scale(), isSparse = high - low < 700;
  for (let k = low; k < high; k++) {
    const i = order[k], isLit = event[i] >= 0 && (event[i] === lit || events.has(event[i]));
    const dim = chosen >= 0 || lit >= 0 ? .3 : isSparse ? .62 : .35;
    // What comes from far away, or goes there, is told by one of its ends.
    const far = dim * .4;
    if (source[i] >= 0) {
      drawArrow(pen, source[i], i, isLit ? 1 : position[source[i]] < view.from - 40 ? far : dim, isLit);
    }
    for (let r = results.start[i]; r < results.start[i + 1]; r++) {
      const result = results.list[r];
      if (isVisible[result] && position[result] > view.to + 20) {
        drawArrow(pen, i, result, isLit ? 1 : position[result] > view.to + 40 ? far : dim, isLit);
      }
    }
  }
  const free = new Float64Array(lanes.length).fill(-1e9);
  for (let k = low; k < high; k++) {
    const i = order[k];
    drawMark(pen, i, Math.min(1, .45 + span / 3));
    if (act[i] === WROTE && event[i] >= 0 && span > .8) label(pen, i, free);
  }
}

function label(pen, i, free) {
  const [, name, text] = data.events[event[i]], x = toX(position[i]), y = toY(lane[i]) - 12;
  const next = nextOnLane(i, WROTE), room = (next < 0 ? view.to : position[next]) - position[i];
  const number = "#" + name.split("#").pop(), wide = room * scale() - 16;
  const whole = text ? `${number} ${text}` : number;
  if (x - 4 < free[lane[i]]) return;
  let words = whole;
  while (words.length > number.length && pen.measureText(words).width > Math.max(wide, 26)) {
    words = words.slice(0, -2).trimEnd() + "…";
    if (words.length <= number.length + 5) words = number;
  }
  pen.fillStyle = colours.ink;
  pen.fillText(words, x - 4, y);
  free[lane[i]] = x + pen.measureText(words).width + 4;
}

function nextOnLane(i, what) {
  const until = view.to + 20;
  for (let j = i + 1; j < count && position[j] < until; j++) {
    if (lane[j] === lane[i] && act[j] === what && isVisible[j]) return j;
  }
  return -1;
}

function drawArrow(pen, from, to, alpha, isLit) {
  const x0 = toX(position[from]), y0 = toY(lane[from]), x1 = toX(position[to]), y1 = toY(lane[to]);
  if (y0 === y1) return;
  const isBack = position[from] > position[to];
  pen.globalAlpha = alpha;
  pen.strokeStyle = isBack ? colours.bad : colours[act[to] === STORED ? "wrote" : COLOUR[act[to]]];
  pen.lineWidth = isLit ? 2 : 1;
  if (act[to] === RECEIPT) pen.setLineDash([3, 3]);
  const long = Math.hypot(x1 - x0, y1 - y0), [ux, uy] = [(x1 - x0) / long, (y1 - y0) / long];
  const [tx, ty] = [x1 - ux * 5, y1 - uy * 5];
  pen.beginPath(); pen.moveTo(x0 + ux * 4, y0 + uy * 4); pen.lineTo(tx, ty); pen.stroke();
  pen.setLineDash([]);
  if (scale() > 1.2) {
    pen.fillStyle = pen.strokeStyle;
    pen.beginPath(); pen.moveTo(tx, ty);
    pen.lineTo(tx - ux * 7 - uy * 3.2, ty - uy * 7 + ux * 3.2);
    pen.lineTo(tx - ux * 7 + uy * 3.2, ty - uy * 7 - ux * 3.2);
    pen.fill();
  }
  pen.globalAlpha = 1;
}

function drawMark(pen, i, size) {
  const x = toX(position[i]), y = toY(lane[i]);
  shape(pen, act[i], x, y, size);
  if (again.has(i)) { pen.strokeStyle = colours.again; pen.lineWidth = 2.2; circle(pen, x, y, 9); pen.stroke(); }
}

function circle(pen, x, y, r) { pen.beginPath(); pen.arc(x, y, r, 0, 2 * Math.PI); }

function shape(pen, what, x, y, size) {
  const colour = colours[COLOUR[what]], r = 5 * size;
  pen.fillStyle = colour; pen.strokeStyle = colour; pen.lineWidth = 1.8;
  if (what === WROTE) { circle(pen, x, y, r); pen.fill(); }
  else if (what === STORED) pen.fillRect(x - r * .8, y - r * .8, r * 1.6, r * 1.6);
  else if (what === RECEIVED) { circle(pen, x, y, r * .9); pen.fillStyle = colours.panel; pen.fill(); pen.stroke(); }
  else if (what === SHOWN) {
    pen.beginPath(); pen.moveTo(x, y + 2); pen.lineTo(x + r * .8, y + r + 5); pen.lineTo(x - r * .8, y + r + 5);
    pen.fill();
  } else if (what === LATE) {
    pen.beginPath(); pen.moveTo(x, y + 1); pen.lineTo(x + 6, y + 8); pen.lineTo(x, y + 15); pen.lineTo(x - 6, y + 8);
    pen.fill();
    pen.fillText("late", x + 8, y + 16);
  } else if (what === OPENED) {
    pen.beginPath(); pen.moveTo(x - 1, y - 9); pen.lineTo(x + 7, y); pen.lineTo(x - 1, y + 9); pen.fill();
  } else if (what === REPLACED) {
    pen.beginPath(); pen.moveTo(x - 6, y - 6); pen.lineTo(x + 6, y + 6); pen.moveTo(x + 6, y - 6);
    pen.lineTo(x - 6, y + 6); pen.stroke();
  } else { circle(pen, x, y + 5, 1.8); pen.fill(); }
}

function drawRing(pen, i, colour, r) {
  pen.strokeStyle = colour; pen.lineWidth = 2.4;
  circle(pen, toX(position[i]), toY(lane[i]), r); pen.stroke();
}

function drawWitnesses(pen, marks, events) {
  if (chosen < 0) return;
  for (const i of marks) {
    if (source[i] >= 0 && marks.has(source[i])) drawArrow(pen, source[i], i, 1, true);
    drawMark(pen, i, 1.1); drawRing(pen, i, colours.bad, 9);
  }
}

function drawOverview() {
  const { pen, width, height } = prepare(strip, 46), columns = Math.ceil(width);
  const counts = new Float64Array(columns);
  const column = i => Math.min(columns - 1, Math.floor(position[i] / total * columns));
  for (const i of order) counts[column(i)]++;
  const most = counts.reduce((most, n) => Math.max(most, n), 1);
  pen.fillStyle = colours.soft; pen.globalAlpha = .55;
  counts.forEach((n, x) => { if (n) pen.fillRect(x, height - 3 - (height - 14) * n / most, 1, (height - 14) * n / most); });
  pen.globalAlpha = 1;
  for (const [l, after, until] of data.away) {
    const from = after < 0 ? 0 : position[after] / total * width, to = until < 0 ? width : position[until] / total * width;
    pen.fillStyle = colours.away; pen.globalAlpha = .75;
    pen.fillRect(from, 2 + (l - (lanes.length - servers)) * 3, Math.max(1, to - from), 2);
  }
  pen.globalAlpha = 1;
  for (const i of order) if (act[i] === LATE) { pen.fillStyle = colours.late; pen.fillRect(column(i), height - 9, 2, 9); }
  data.findings.forEach((finding, f) => {
    if (!finding.marks.length) return;
    const x = position[finding.marks[finding.marks.length - 1]] / total * width;
    pen.fillStyle = colours.bad; pen.fillRect(x - 1, 0, f === chosen ? 4 : 2, height);
  });
  const from = view.from / total * width, to = view.to / total * width;
  pen.fillStyle = colours.focus; pen.globalAlpha = .16; pen.fillRect(from, 0, Math.max(to - from, 2), height);
  pen.globalAlpha = 1; pen.strokeStyle = colours.focus; pen.lineWidth = 1.5;
  pen.strokeRect(from + .75, .75, Math.max(to - from, 3) - 1.5, height - 1.5);
}

// ---- details ----------------------------------------------------------------------------------------

function words(i) {
  const who = lanes[lane[i]][0], name = event[i] >= 0 ? data.events[event[i]][1] : "an event";
  const from = server[i] >= 0 ? "server " + data.servers[server[i]] : "a server";
  return who + " " + [
    "started", `wrote ${name}`, `stored ${name}`, `received ${name} from ${from}`, `was shown ${name}`,
    `was shown ${name}, marked late`, `saw that ${from} had come with another log`,
    `had ${from}'s receipt for ${name}, at ${extra[i]}`, `had read ${from} up to ${extra[i]}`,
    `was told ${Math.floor(extra[i] / 65536)}/${extra[i] % 65536} for ${name}`,
  ][act[i]] + (again.has(i) ? ", again" : "");
}

function showTip() {
  const i = hovered >= 0 ? hovered : focused;
  tip.hidden = i < 0 || !isVisible[i] || position[i] < view.from || position[i] > view.to;
  if (tip.hidden) return;
  const line = (kind, text) => { const part = document.createElement(kind === "b" ? "b" : "span"); part.className = kind; part.textContent = text; return part; };
  const parts = [line("b", words(i))];
  if (event[i] >= 0) {
    const [conversation, , text, id] = data.events[event[i]];
    if (text) parts.push(line("quote", `“${text}”`));
    parts.push(line("aside", `${data.conversations[conversation]}, event ${id}`));
  }
  if (at[i] >= 0) parts.push(line("place", new Date(data.base + at[i]).toISOString()));
  parts.push(line("place", `${lanes[lane[i]][2]} entry ${entry[i]}`));
  tip.replaceChildren(...parts);
  const x = toX(position[i]), y = toY(lane[i]), wide = tip.offsetWidth, tall = tip.offsetHeight;
  tip.style.left = Math.max(0, Math.min(x + 14, chart.clientWidth - wide - 4)) + "px";
  tip.style.top = (y + 18 + tall > chart.clientHeight + 60 ? y - tall - 18 : y + 18) + "px";
}

function markAt(x, y) {
  const l = Math.floor((y - TOP) / laneHeight), reach = 12 / scale(), middle = view.from + x / scale();
  let best = -1, least = reach;
  for (let k = firstAt(middle - reach); k < order.length && position[order[k]] < middle + reach; k++) {
    const i = order[k], far = Math.abs(position[i] - middle);
    if (lane[i] === l && far < least) { best = i; least = far; }
  }
  return best;
}

// ---- what people do ---------------------------------------------------------------------------------

function choose(f, isAsked = true) {
  chosen = f;
  document.querySelectorAll(".story").forEach(story => story.classList.toggle("is-chosen", Number(story.dataset.finding) === f));
  const middle = (view.from + view.to) / 2, share = (view.to - view.from) / total;
  arrange();
  const finding = data.findings[f];
  if (!finding || !finding.marks.length) return look(middle - share * total / 2, middle + share * total / 2);
  const xs = finding.marks.map(i => position[i]), last = xs[xs.length - 1];
  let [from, to] = [Math.min(...xs), Math.max(...xs)];
  // A witness too far away to be seen together with the others is told of in the story.
  if (firstAt(to) - firstAt(from) > MARKS_DRAWN_MAX / 4) [from, to] = [last, last];
  const margin = Math.max((to - from) * .3, 170);
  look(from - margin, to + margin);
  focused = -1; hovered = -1;
  if (isAsked) {
    const story = document.querySelector(`.story[data-finding="${f}"]`);
    if (story) story.parentElement.scrollTop = story.offsetTop - 12;
    const box = chart.getBoundingClientRect();
    if (box.top < 0 || box.bottom > window.innerHeight) chart.scrollIntoView({ block: "center" });
  }
}

function step(by) {
  const n = data.findings.length;
  if (n) choose(((chosen < 0 ? (by > 0 ? -1 : 0) : chosen) + by + n) % n);
}

function moveFocus(along, across) {
  let i = focused;
  if (i < 0 || !isVisible[i]) { i = order[firstAt((view.from + view.to) / 2)]; if (i === undefined) return; }
  else if (along) {
    let k = firstAt(position[i]);
    while (order[k] !== i) k++;
    for (k += along; k >= 0 && k < order.length && lane[order[k]] !== lane[i]; k += along);
    if (order[k] !== undefined) i = order[k];
  } else {
    const wantedLane = lane[i] + across;
    let best = -1;
    for (const j of order) if (lane[j] === wantedLane && (best < 0 || Math.abs(position[j] - position[i]) < Math.abs(position[best] - position[i]))) best = j;
    if (best >= 0) i = best;
  }
  focused = i; hovered = -1;
  if (position[i] < view.from || position[i] > view.to) { const half = (view.to - view.from) / 2; look(position[i] - half, position[i] + half); }
  redraw();
}

function key(happened) {
  const span = view.to - view.from;
  const does = {
    ArrowLeft: () => happened.shiftKey ? pan(-span / 4) : moveFocus(-1, 0),
    ArrowRight: () => happened.shiftKey ? pan(span / 4) : moveFocus(1, 0),
    ArrowUp: () => moveFocus(0, -1), ArrowDown: () => moveFocus(0, 1),
    "+": () => zoom(.6), "=": () => zoom(.6), "-": () => zoom(1 / .6), 0: () => look(0, total),
    PageUp: () => pan(-span * .9), PageDown: () => pan(span * .9),
    Home: () => look(0, span), End: () => look(total - span, total),
    n: () => step(1), p: () => step(-1), Escape: () => { focused = -1; hovered = -1; choose(-1, false); },
  }[happened.key];
  if (!does || happened.ctrlKey || happened.metaKey || happened.altKey) return;
  happened.preventDefault();
  does();
}

function listen() {
  let drag = null;
  chart.addEventListener("wheel", happened => {
    happened.preventDefault();
    const isSideways = happened.shiftKey || Math.abs(happened.deltaX) > Math.abs(happened.deltaY);
    if (isSideways) pan((happened.deltaX || happened.deltaY) / scale());
    else zoom(Math.exp(Math.max(-240, Math.min(240, happened.deltaY)) / 400), view.from + happened.offsetX / scale());
  }, { passive: false });
  chart.addEventListener("pointerdown", happened => {
    drag = { x: happened.clientX, from: view.from, to: view.to };
    chart.setPointerCapture(happened.pointerId); chart.classList.add("is-dragged");
    focused = markAt(happened.offsetX, happened.offsetY);
    redraw();
  });
  chart.addEventListener("pointermove", happened => {
    if (drag) { const by = (drag.x - happened.clientX) / scale(); look(drag.from + by, drag.to + by); return; }
    const i = markAt(happened.offsetX, happened.offsetY);
    if (i !== hovered) { hovered = i; redraw(); }
  });
  for (const end of ["pointerup", "pointercancel"]) chart.addEventListener(end, () => { drag = null; chart.classList.remove("is-dragged"); });
  chart.addEventListener("pointerleave", () => { hovered = -1; redraw(); });
  chart.addEventListener("dblclick", happened => zoom(.4, view.from + happened.offsetX / scale()));
  chart.addEventListener("keydown", key);
  let isHeld = false;
  const go = happened => { const x = happened.offsetX / strip.clientWidth * total, half = (view.to - view.from) / 2; look(x - half, x + half); };
  strip.addEventListener("pointerdown", happened => { isHeld = true; strip.setPointerCapture(happened.pointerId); go(happened); });
  strip.addEventListener("pointermove", happened => { if (isHeld) go(happened); });
  strip.addEventListener("pointerup", () => { isHeld = false; });
  byId("in").addEventListener("click", () => zoom(.6));
  byId("out").addEventListener("click", () => zoom(1 / .6));
  byId("all").addEventListener("click", () => look(0, total));
  byId("next")?.addEventListener("click", () => step(1));
  byId("previous")?.addEventListener("click", () => step(-1));
  byId("conversation").addEventListener("change", happened => { wanted.conversation = Number(happened.target.value); refit(); });
  byId("small").addEventListener("change", happened => { wanted.small = happened.target.checked; refit(); });
  byId("theme").addEventListener("click", () => {
    const isDark = matchMedia("(prefers-color-scheme: dark)").matches, root = document.documentElement.dataset;
    root.theme = (root.theme ? root.theme === "dark" : isDark) ? "light" : "dark";
    readColours(); drawLegend(); redraw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); drawLegend(); redraw(); });
  document.querySelectorAll("button[data-finding]").forEach(button => {
    button.addEventListener("click", () => choose(Number(button.dataset.finding)));
  });
  new ResizeObserver(redraw).observe(chart.parentElement);
}

// Shows about the same stretch after marks have come or gone.
function refit() {
  const middle = order[firstAt((view.from + view.to) / 2)], span = (view.to - view.from) / total;
  arrange();
  const x = middle === undefined ? 0 : position[middle], half = Math.max(span * total, Math.min(total, FIRST_WINDOW / 3)) / 2;
  look(x - half, x + half);
}

function drawLegend() {
  document.querySelectorAll(".legend canvas").forEach(canvas => {
    const { pen } = prepare(canvas, 18), what = canvas.dataset.act;
    if (what === "away") {
      pen.strokeStyle = colours.away; pen.lineWidth = 1.5; pen.setLineDash([4, 5]);
      pen.beginPath(); pen.moveTo(1, 9); pen.lineTo(29, 9); pen.stroke(); pen.setLineDash([]);
    } else if (what === "again") {
      pen.strokeStyle = colours.again; pen.lineWidth = 2.2; circle(pen, 15, 9, 7); pen.stroke();
    } else if (what === "witness") {
      pen.strokeStyle = colours.bad; pen.lineWidth = 2.4; circle(pen, 15, 9, 7); pen.stroke();
    } else if (what === "line") {
      pen.strokeStyle = colours.wrote; pen.lineWidth = 1.5; pen.beginPath(); pen.moveTo(2, 3); pen.lineTo(28, 15); pen.stroke();
    } else {
      const kind = Number(what), y = kind === SHOWN ? 2 : kind === LATE ? 1 : 9;
      pen.save(); if (kind === LATE) { pen.beginPath(); pen.rect(0, 0, 22, 18); pen.clip(); }
      shape(pen, kind, 15, y, 1); pen.restore();
    }
  });
}

readColours();
arrange();
listen();
drawLegend();
// `#3` shows the third thing that is broken, `#whole` the whole history.
function follow() {
  const asked = location.hash.slice(1), number = Number(asked) - 1;
  if (asked === "whole") { choose(-1, false); look(0, total); }
  else if (data.findings[number]) choose(number);
  else if (data.findings.length) choose(0, false);
  else look(0, Math.min(total, FIRST_WINDOW));
}

window.addEventListener("hashchange", follow);
follow();
