// The journal of one invocation: bars on one time line, steps that open in place, rows that come while it runs.
//
// A row says its spans in `data-bars`, in ms since the beginning. The browser places them: the engine has better to
// do than to lay out what somebody looks at. CSS custom properties hold the places (--x, --w: from 0 to 1), and
// the window that is looked at (--from, --zoom) stands on the journal, so zooming touches one element.
import { followAll, refresh } from "./live.js";
import { axisOf, durationText, merged, momentAt, placeOf, ticksOf } from "./timeline.js";

const LIVE = { "X-Perdure-Live": "1" };
const TICK_PX = 92;
const BREAK_LABEL_PX = 30;
const ZOOM_MAX = 1e5;
const COME_BACK_MS = 3_000;

const journal = document.getElementById("journal");
const steps = journal.querySelector(".steps");
const lanes = { axis: document.getElementById("axis"), overlay: document.getElementById("overlay") };
const origin = Date.parse(journal.dataset.origin);
const statusOf = () => document.getElementById("invocation-status").dataset;
const isOver = () => statusOf().status === "completed";

// ---- the time line

let axis = axisOf([], 1);
let view = { from: 0, to: 1 };
let isTrue = false;

/** `[{ kind, start, end }]` of a row; what lasts ends now. */
function barsOf(row, now) {
  row.spans ??= (row.dataset.bars ?? "").split(";").filter(Boolean).map((text) => {
    const [kind, start, end] = text.split(" ");
    return { kind, start: Number(start), end: end === "" ? null : Number(end) };
  });
  return row.spans.map(({ kind, start, end }) => ({ kind, start, end: end ?? Math.max(now, start), lasts: end === null }));
}

function drawTimeLine() {
  const rows = [...journal.querySelectorAll(".step[data-bars]")];
  const now = (isOver() ? Date.parse(statusOf().completedAt) : Date.now()) - origin;
  const all = rows.map((row) => barsOf(row, now));
  const spans = all.flat();
  // Where more of the journal is to come, the time line ends with what is here.
  const isWhole = !document.querySelector("#more a");
  const lastMs = spans.reduce((last, { end }) => Math.max(last, end), 0);
  const endMs = Math.max(isWhole ? now : 0, lastMs);
  const work = spans.filter(({ kind }) => kind === "work").map(({ start, end }) => [start, end]);
  axis = axisOf(work, endMs, isTrue);
  rows.forEach((row, at) => drawBars(row, all[at]));
  drawOverlay(spans, work, isWhole && !isOver() ? now : null);
  drawAxis();
  for (const since of journal.querySelectorAll("[data-since-ms]")) {
    since.textContent = durationText(Math.max(now - Number(since.dataset.sinceMs), 0));
  }
}

function drawBars(row, bars) {
  const lane = row.querySelector(".lane");
  while (lane.childElementCount > bars.length) lane.lastChild.remove();
  bars.forEach(({ kind, start, end, lasts }, at) => {
    const bar = lane.children[at] ?? lane.appendChild(document.createElement("i"));
    bar.className = `bar ${kind}${lasts ? " lasts" : ""}`;
    place(bar, start, end);
  });
}

function place(element, start, end = start) {
  const x = placeOf(axis, start);
  element.style.setProperty("--x", x);
  element.style.setProperty("--w", placeOf(axis, end) - x);
}

/** What lies behind all rows: where nothing works, where time is shortened, failed attempts, now. */
function drawOverlay(spans, work, now) {
  const waits = merged(spans.filter(({ kind }) => kind === "wait").map(({ start, end }) => [start, end]));
  const queues = spans.filter(({ kind }) => kind === "queue").map(({ start, end }) => [start, end]);
  const marks = [
    ...without(waits, merged(work)).map((span) => ["idle", ...span]),
    ...queues.map((span) => ["idle", ...span]),
    ...axis.breaks.map((span) => ["break", ...span]),
    ...[...document.querySelectorAll("[data-failed-at]")].map((each) => ["failure", Date.parse(each.dataset.failedAt) - origin]),
    ...(now === null ? [] : [["now", now]]),
  ];
  lanes.overlay.replaceChildren(
    ...marks.map(([kind, start, end]) => {
      const mark = Object.assign(document.createElement("i"), { className: kind });
      place(mark, start, end);
      return mark;
    }),
  );
}

/** What of the spans none of the others covers. Both merged. */
function without(spans, others) {
  const rest = [];
  for (const [start, end] of spans) {
    let at = start;
    for (const [from, to] of others) {
      if (to <= at || from >= end) continue;
      if (from > at) rest.push([at, from]);
      at = Math.max(at, to);
    }
    if (at < end) rest.push([at, end]);
  }
  return rest;
}

function drawAxis() {
  const width = lanes.axis.clientWidth;
  const ticks = ticksOf(axis, view.from, view.to, Math.max(Math.floor(width / TICK_PX), 2));
  lanes.axis.replaceChildren(
    ...ticks.map(({ ms, text }) => {
      const tick = Object.assign(document.createElement("span"), { className: "tick", textContent: text });
      place(tick, ms);
      return tick;
    }),
    ...axis.breaks.map(([start, end]) => {
      const label = Object.assign(document.createElement("span"), { className: "break" });
      const shownPx = ((placeOf(axis, end) - placeOf(axis, start)) / (view.to - view.from)) * width;
      if (shownPx > BREAK_LABEL_PX) label.textContent = durationText(end - start);
      label.title = `Nothing worked for ${durationText(end - start)}: drawn shorter than it was`;
      place(label, start, end);
      return label;
    }),
  );
}

function look(from, to) {
  const width = Math.min(Math.max(to - from, 1 / ZOOM_MAX), 1);
  const start = Math.min(Math.max(from, 0), 1 - width);
  view = { from: start, to: start + width };
  journal.style.setProperty("--from", view.from);
  journal.style.setProperty("--zoom", 1 / width);
  drawAxis();
}

const ZOOMS = {
  in: (middle, width) => look(middle - width / 4, middle + width / 4),
  out: (middle, width) => look(middle - width, middle + width),
  earlier: (middle, width) => look(view.from - width / 2, view.to - width / 2),
  later: (middle, width) => look(view.from + width / 2, view.to + width / 2),
  all: () => look(0, 1),
};

journal.addEventListener("click", ({ target }) => {
  const zoom = target.closest("[data-zoom]")?.dataset.zoom;
  if (zoom) ZOOMS[zoom]((view.from + view.to) / 2, view.to - view.from);
});

document.getElementById("true-scale").addEventListener("change", ({ target }) => {
  const shown = [momentAt(axis, view.from), momentAt(axis, view.to)];
  isTrue = target.checked;
  const isAll = view.from === 0 && view.to === 1;
  drawTimeLine();
  if (!isAll) look(...shown.map((ms) => placeOf(axis, ms)));
});

lanes.axis.addEventListener("pointerdown", (down) => {
  const box = lanes.axis.getBoundingClientRect();
  const at = ({ clientX }) => view.from + (Math.min(Math.max(clientX - box.left, 0), box.width) / box.width) * (view.to - view.from);
  const first = at(down);
  const chosen = lanes.overlay.appendChild(Object.assign(document.createElement("i"), { className: "chosen" }));
  lanes.axis.setPointerCapture(down.pointerId);
  lanes.axis.onpointermove = (move) => {
    chosen.style.setProperty("--x", Math.min(first, at(move)));
    chosen.style.setProperty("--w", Math.abs(at(move) - first));
  };
  lanes.axis.onpointerup = lanes.axis.onpointercancel = (up) => {
    lanes.axis.onpointermove = lanes.axis.onpointerup = lanes.axis.onpointercancel = null;
    chosen.remove();
    const last = at(up);
    if (Math.abs(last - first) * box.width > 4 * (view.to - view.from)) look(Math.min(first, last), Math.max(first, last));
  };
});

// ---- steps that open in place

journal.addEventListener("toggle", ({ target }) => target.dataset.src && target.open && void open(target), true);

async function open(details) {
  const inside = details.querySelector(".inside");
  if (inside.dataset.loaded) return;
  inside.dataset.loaded = "1";
  try {
    inside.innerHTML = await textOf(details.dataset.src);
    drawTimeLine();
  } catch (error) {
    delete inside.dataset.loaded;
    inside.textContent = `This step could not be read: ${error.message}. Close and open it to try again.`;
  }
}

async function textOf(url, options = {}) {
  const answer = await fetch(url, { ...options, headers: LIVE });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return answer.text();
}

// ---- rows that come

/** Rows after what is shown, or in place of what is not settled (from the first row of that on). */
async function fetchRows(url, isTail) {
  const fresh = new DOMParser().parseFromString(await textOf(url), "text/html");
  const rows = [...fresh.querySelectorAll(".steps > .step")];
  if (isTail) replaceFrom(rows);
  else steps.append(...rows);
  document.getElementById("more").replaceWith(fresh.getElementById("more"));
  drawTimeLine();
}

/** Rows that are as they were stay the same objects: open ones stay open, and nothing flickers. */
function replaceFrom(rows) {
  const ids = new Set(rows.map(({ id }) => id));
  let at = [...steps.children].find(({ id }) => ids.has(id)) ?? null;
  for (const row of rows) {
    const old = document.getElementById(row.id);
    const isAt = old !== null && old === at;
    if (isAt) at = at.nextElementSibling;
    if (old?.dataset.v === row.dataset.v) {
      if (!isAt) steps.insertBefore(old, at);
      continue;
    }
    const hadFocus = old?.contains(document.activeElement);
    if (old?.querySelector("details")?.open) keepOpen(old, row);
    old?.remove();
    steps.insertBefore(row, at);
    if (hadFocus) row.querySelector("summary")?.focus();
  }
  while (at) {
    const next = at.nextElementSibling;
    at.remove();
    at = next;
  }
}

function keepOpen(old, row) {
  const details = row.querySelector("details");
  details.querySelector(".inside").innerHTML = old.querySelector(".inside").innerHTML;
  details.open = true; // "toggle" follows, and reads it anew
}

/** At most one at a time; what is asked for meanwhile is done once more after it. */
let fetching = null;
let isAskedAgain = false;

async function follow() {
  if (fetching) {
    isAskedAgain = true;
    return;
  }
  const more = document.getElementById("more");
  if (more.querySelector("a")) return drawTimeLine(); // its end is not shown: nothing there can have changed
  fetching = fetchRows(`${journal.dataset.rows}?from=${more.dataset.tail}&tail`, true).catch(() => {});
  await fetching;
  fetching = null;
  if (isAskedAgain) {
    isAskedAgain = false;
    void follow();
  }
}

let known = JSON.stringify({ ...statusOf() });

document.addEventListener("live:changed", ({ target }) => {
  if (target.id === "failed-attempts") drawTimeLine(); // it tells of failed attempts
  if (target.id !== "invocation-status") return;
  const told = JSON.stringify({ ...statusOf() });
  if (told === known) return;
  const { status } = JSON.parse(known);
  known = told;
  if (status !== statusOf().status) refresh(); // the result, say, or a failed attempt
  void follow();
  listen();
});

async function showMore(link) {
  if (fetching) return;
  link.setAttribute("aria-disabled", "true");
  link.textContent = "Reading …";
  fetching = fetchRows(link.href, false).catch(() => {
    link.removeAttribute("aria-disabled");
    link.textContent = "The engine did not answer: try again";
  });
  await fetching;
  fetching = null;
  watchMore();
}

journal.addEventListener("click", (event) => {
  const link = event.target.closest("#more a");
  if (!link) return;
  event.preventDefault();
  void showMore(link);
});

const reached = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) if (isIntersecting) void showMore(target);
}, { rootMargin: "600px" });

/** The next rows come by themselves when one has read so far down. */
function watchMore() {
  reached.disconnect();
  const link = document.querySelector("#more a");
  if (link) reached.observe(link);
}

// ---- what it says while it runs

let stream = null;
const said = new Map(); // source -> { who, text }

/** One connection, and none while the tab is hidden: a browser has few of them for all its tabs together. */
function listen() {
  const wanted = !isOver() && !document.hidden;
  if (wanted === (stream !== null)) return;
  stream?.close();
  stream = null;
  if (!wanted) return showSaid();
  said.clear();
  stream = new EventSource(journal.dataset.stream);
  const on = (type, does) => stream.addEventListener(type, (event) => {
    does(JSON.parse(event.data));
    showSaid();
  });
  on("model_call", ({ source, agent }) => said.set(source, { who: agent, text: "" }));
  on("text", ({ source, delta, depth }) => {
    if (depth === undefined && said.has(source)) said.get(source).text += delta;
  });
  on("attempt", ({ source }) => said.delete(source)); // it is done again, and says itself anew
  for (const type of ["end", "none"]) on(type, () => stream.close());
  stream.addEventListener("error", ({ target }) => {
    // The browser comes again by itself, but not after an answer that is no stream: the engine is away.
    if (target.readyState !== EventSource.CLOSED || target !== stream) return;
    stream = null;
    setTimeout(listen, COME_BACK_MS);
  });
}

/** Beside a model call that is under way: what is said and over stands in its row. */
function showSaid() {
  const box = document.getElementById("live-text");
  const speaks = [...said.values()].at(-1);
  const isShown = Boolean(speaks?.text) && !isOver() && journal.querySelector(".step.model.open") !== null;
  box.hidden = !isShown;
  if (!isShown) return;
  document.getElementById("live-text-who").textContent = speaks.who ?? "";
  box.querySelector("p").textContent = speaks.text;
}

// ----

drawTimeLine();
watchMore();
listen();
followAll();
setInterval(() => isOver() || document.hidden || drawTimeLine(), 1000);
new ResizeObserver(drawAxis).observe(lanes.axis);
document.addEventListener("visibilitychange", listen);
