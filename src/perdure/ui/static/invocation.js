// The page of one invocation: steps that open in place, rows that come while it runs or when one reads on.
import { drawTimeLine, isOver, journal, statusOf } from "./invocation_lanes.js";
import { listen, showSaid } from "./invocation_words.js";
import { refresh } from "./live.js";

const LIVE = { "X-Perdure-Live": "1" };
const steps = journal.querySelector(".steps");

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
    const why = document.createElement("p");
    why.textContent = error.isGone ? "This step is no longer kept." : `This step could not be read: ${error.message}. Close and open it to try again.`;
    inside.replaceChildren(why);
    if (error.isGone) refresh();
  }
}

async function textOf(url, options = {}) {
  const answer = await fetch(url, { ...options, headers: LIVE });
  if (!answer.ok) throw Object.assign(new Error(`status ${answer.status}`), { isGone: answer.status === 404 });
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
  showSaid();
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
  const { status, entries } = JSON.parse(known);
  known = told;
  if (Number(statusOf().entries) < Number(entries)) return location.reload(); // its journal was purged
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

// ----

drawTimeLine();
watchMore();
listen();
const isStill = () => isOver() || document.hidden || "gone" in document.documentElement.dataset;
setInterval(() => isStill() || drawTimeLine(), 1000);
