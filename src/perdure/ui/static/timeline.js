// Where a moment lies on the time line of an invocation. Pure: no page is known here.
//
// Where something runs, a pixel is always the same number of milliseconds, so that bars can be compared. A
// stretch in which nothing runs may last for days, for an approval say: the longer it is, the more it is
// shortened, and all of them together get no more room than what runs. So one look shows both.

/** The room that stretches without work may take, as a multiple of the room of the work: twice. */
const IDLE_ROOM = 0.25;
/** A break so many times as long as what lies between two ticks starts the count anew. */
const COUNT_ANEW = 50;

/**
 * The axis for spans of work, `[startMs, endMs]` each, from 0 to `endMs`. isTrue: shorten nothing.
 *
 * `knots`: `[ms, x]` pairs, x from 0 to 1, straight lines between them. `breaks`: the shortened stretches,
 * `[startMs, endMs]`.
 */
export function axisOf(spans, endMs, isTrue = false) {
  const end = Math.max(endMs, 1);
  if (isTrue) return { knots: [[0, 0], [end, 1]], breaks: [] };
  const stretches = stretchesOf(spans, end);
  const busyMs = sum(stretches.filter(({ isBusy }) => isBusy), lengthOf);
  const idleRoom = idleRoomOf(stretches.filter(({ isBusy }) => !isBusy).map(lengthOf), busyMs * IDLE_ROOM);
  const roomOf = (stretch) => (stretch.isBusy ? lengthOf(stretch) : idleRoom(lengthOf(stretch)));
  const whole = sum(stretches, roomOf);
  const knots = [[0, 0]];
  const breaks = [];
  let room = 0;
  for (const stretch of stretches) {
    room += roomOf(stretch);
    knots.push([stretch.end, room / whole]);
    if (roomOf(stretch) < lengthOf(stretch) / 3) breaks.push([stretch.start, stretch.end]);
  }
  return { knots, breaks };
}

/**
 * The room for a stretch of so many ms. Short ones get all of theirs, up to the length at which they fill `room`
 * together; as much again goes to longer ones by their logarithm, so that a day is more than an hour.
 */
function idleRoomOf(lengths, room) {
  if (room === 0) return (ms) => ms;
  const full = capOf(lengths, room);
  const beyond = (ms) => Math.max(Math.log(ms / full), 0);
  const each = room / Math.max(sum(lengths, beyond), 1e-9);
  return (ms) => Math.min(ms, full + each * beyond(ms));
}

/** The cap at which the lengths, each cut to it, come to `room`; Infinity if they do not fill it. */
function capOf(lengths, room) {
  let left = room;
  const rising = lengths.toSorted((a, b) => a - b);
  for (const [at, length] of rising.entries()) {
    const share = left / (rising.length - at);
    if (length > share) return share;
    left -= length;
  }
  return Infinity;
}

/** The spans in one row, none touching another, from the first to the last. */
export function merged(spans) {
  const rows = [];
  for (const [start, end] of [...spans].sort((a, b) => a[0] - b[0])) {
    const last = rows.at(-1);
    if (last !== undefined && start <= last[1]) last[1] = Math.max(last[1], end);
    else rows.push([start, end]);
  }
  return rows;
}

/** Where a moment lies, from 0 to 1. */
export function placeOf({ knots }, ms) {
  return between(knots, ms, 0, 1);
}

/** The moment that lies there: the inverse. */
export function momentAt({ knots }, x) {
  return between(knots, x, 1, 0);
}

/**
 * Round moments, `count` or fewer, well apart in the window from x `from` to x `to`: `{ ms, text }`. After a long
 * break they count from its end: nobody wants to read "3d" ten times.
 */
export function ticksOf(axis, from, to, count) {
  const apart = (to - from) / count;
  const ticks = [];
  for (let number = 0; number < count; number++) {
    const middle = from + apart * (number + 0.5);
    const low = momentAt(axis, middle - apart * 0.25);
    const high = momentAt(axis, middle + apart * 0.25);
    if (axis.breaks.some(([start, end]) => low < end && high > start)) continue;
    const since = sinceBreak(axis, low, high - low);
    const ms = since + roundest(low - since, high - since);
    if (ms !== ticks.at(-1)?.ms) ticks.push({ ms, text: `${since ? "+" : ""}${durationText(ms - since)}` });
  }
  return ticks;
}

function sinceBreak({ breaks }, ms, widthMs) {
  const before = breaks.filter(([start, end]) => end <= ms && end - start > COUNT_ANEW * widthMs);
  return before.at(-1)?.[1] ?? 0;
}

const SECOND = 1_000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const ROUND = [
  ...[100, 50, 20, 10, 5, 2, 1].map((days) => days * DAY),
  ...[12, 6, 3, 2, 1].map((hours) => hours * HOUR),
  ...[30, 20, 10, 5, 2, 1].map((minutes) => minutes * MINUTE),
  ...[30, 20, 10, 5, 2, 1].map((seconds) => seconds * SECOND),
  ...[500, 200, 100, 50, 20, 10, 5, 2, 1],
];

function roundest(low, high) {
  if (low <= 0) return 0;
  for (const unit of ROUND) {
    const candidate = Math.ceil(low / unit) * unit;
    if (candidate <= high) return candidate;
  }
  return (low + high) / 2;
}

/** In two units at most, as the rest of the page says it: `340 ms`, `1.2 s`, `3 min 20 s`, `3 d 4 h`. */
export function durationText(ms) {
  if (ms < SECOND) return `${ms < 10 && !Number.isInteger(ms) ? ms.toFixed(1) : Math.round(ms)} ms`;
  if (ms < MINUTE) return `${Number((ms / SECOND).toFixed(ms < 10 * SECOND ? 2 : 1))} s`;
  if (ms < HOUR) return inTwo(ms, MINUTE, "min", SECOND, "s");
  if (ms < DAY) return inTwo(ms, HOUR, "h", MINUTE, "min");
  return inTwo(ms, DAY, "d", HOUR, "h");
}

function inTwo(ms, large, largeName, small, smallName) {
  const count = Math.round(ms / small);
  const per = large / small;
  const rest = count % per;
  return `${Math.floor(count / per)} ${largeName}${rest ? ` ${rest} ${smallName}` : ""}`;
}

/** What lies from 0 to `end`, in turn with work and without it. */
function stretchesOf(spans, end) {
  const busy = merged(spans.map(([start, stop]) => [Math.max(start, 0), Math.min(stop, end)]));
  const stretches = [];
  let at = 0;
  for (const [start, stop] of busy) {
    if (start > at) stretches.push({ start: at, end: start, isBusy: false });
    if (stop > start) stretches.push({ start, end: stop, isBusy: true });
    at = Math.max(at, stop);
  }
  if (at < end) stretches.push({ start: at, end, isBusy: false });
  return stretches;
}

function between(knots, value, of, to) {
  const last = knots.length - 1;
  if (value <= knots[0][of]) return knots[0][to];
  if (value >= knots[last][of]) return knots[last][to];
  let low = 0;
  let high = last;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (knots[middle][of] <= value) low = middle;
    else high = middle;
  }
  const share = (value - knots[low][of]) / (knots[high][of] - knots[low][of]);
  return knots[low][to] + share * (knots[high][to] - knots[low][to]);
}

function lengthOf({ start, end }) {
  return end - start;
}

function sum(things, of) {
  return things.reduce((total, thing) => total + of(thing), 0);
}
