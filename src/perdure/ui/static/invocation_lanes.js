// The bars of all steps on one time line, and what lies behind them.
//
// A row says its spans in `data-bars`, in ms since the beginning. The browser places them: the engine has better to
// do than to lay out what somebody looks at. CSS custom properties hold the places (--x, --w: from 0 to 1), and
// the window that is looked at (--from, --zoom) stands on the journal, so zooming touches one element.
import { axisOf, durationText, merged, momentAt, placeOf, ticksOf } from "./timeline.js";

const TICK_PX = 92;
const BREAK_LABEL_PX = 30;
const ZOOM_MAX = 1e5;

export const journal = document.getElementById("journal");
const lanes = { axis: document.getElementById("axis"), overlay: document.getElementById("overlay") };
const origin = Date.parse(journal.dataset.origin);

/** `status`, `entries` and `completedAt` of the invocation, as far as the page knows. */
export const statusOf = () => document.getElementById("invocation-status").dataset;
export const isOver = () => statusOf().status === "completed";

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

/** Anew, from what the rows say now. */
export function drawTimeLine() {
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

new ResizeObserver(drawAxis).observe(lanes.axis);
