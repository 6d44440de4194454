// Live sections: <section id="..." data-live="URL, or nothing for this page" data-every-ms="1000"> is fetched again
// and again, and what changed in it is changed here. Sections of one URL share a request. With If-None-Match, so
// nothing is parsed where nothing changed; not while the tab is hidden; ever more slowly while nobody answers.
//
//   data-first    the first fetch is made at once: the page came without it
//   data-reload   the whole page is loaded anew as soon as the URL answers
//
// "live:changed" is dispatched on a section that has changed, and bubbles. refresh() fetches all of them now.
//
// Where what a page is about is gone, its URL is answered with 404 and words for it, [data-gone]: they are shown above
// what was there. It is asked for now and then: ids that are derived come back, and then the page is loaded anew.
import { morph } from "./morph.js";

const HEADER = { "X-Perdure-Live": "1" };
const PAUSE_MAX_MS = 10_000;
const TIMEOUT_MS = 15_000;
const following = new Map(); // URL -> the function that ends its pause

const urlOf = (section) => new URL(section.dataset.live || location.href, location.href).href.replace(/#.*/, "");
const sectionsOf = (url) => [...document.querySelectorAll("[data-live]")].filter((each) => urlOf(each) === url);

export function refresh() {
  for (const wake of following.values()) wake();
}

// Follow the sections that are new, or whose URL is; what no section wants any more ends by itself.
export function followAll(atOnce = false) {
  for (const section of document.querySelectorAll("[data-live]")) {
    const url = urlOf(section);
    if (!following.has(url)) void follow(url, atOnce || section.hasAttribute("data-first"));
  }
}

async function follow(url, atOnce) {
  let etag = null;
  let failures = 0;
  following.set(url, () => {});
  for (let first = atOnce; ; first = false) {
    const everyMs = Math.min(...sectionsOf(url).map((section) => Number(section.dataset.everyMs) || 2000));
    if (!Number.isFinite(everyMs)) break;
    if (!first) await pause(url, lost.has(url) ? PAUSE_MAX_MS : failures ? Math.min(everyMs * 2 ** failures, PAUSE_MAX_MS) : everyMs);
    await shown();
    try {
      const headers = etag ? { ...HEADER, "If-None-Match": etag } : HEADER;
      const answer = await fetch(url, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (answer.status >= 500) throw new Error(`status ${answer.status}`);
      failures = 0;
      reachable(url);
      if (answer.status === 404) gone(url, await parsed(answer));
      else if (lost.has(url) && (answer.ok || answer.status === 304)) return location.reload();
      if (answer.status === 200 && answer.headers.get("etag") !== etag) {
        etag = answer.headers.get("etag");
        show(url, await parsed(answer));
      }
    } catch {
      failures += 1;
      unreachable(url);
    }
  }
  following.delete(url);
  reachable(url);
}

async function parsed(answer) {
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

function show(url, fresh) {
  for (const section of sectionsOf(url)) {
    if (section.hasAttribute("data-reload")) return location.reload();
    const next = fresh.getElementById(section.id);
    if (!next) continue;
    // How it is followed is said by the page, unless the fresh one says so too.
    for (const name of ["class", "data-live", "data-every-ms", "data-first"]) {
      if (section.hasAttribute(name) && !next.hasAttribute(name)) next.setAttribute(name, section.getAttribute(name));
    }
    morph(section, next);
    section.dispatchEvent(new Event("live:changed", { bubbles: true }));
  }
  followAll();
}

function pause(url, ms) {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    following.set(url, () => {
      clearTimeout(timer);
      done();
    });
  });
}

function shown() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((done) => document.addEventListener("visibilitychange", () => done(), { once: true }));
}

const lost = new Set(); // URLs whose subject is gone

function gone(url, fresh) {
  const words = fresh.querySelector("[data-gone]");
  if (!words || lost.has(url)) return;
  lost.add(url);
  document.documentElement.dataset.gone = "";
  const note = document.getElementById("gone");
  note.replaceChildren(...words.childNodes);
  note.hidden = false;
}

const silent = new Set(); // URLs that do not answer

function unreachable(url) {
  silent.add(url);
  const note = document.getElementById("unreachable");
  note.textContent = "The engine is not reachable. What you see is as it was; trying again …";
  note.hidden = false;
  document.documentElement.dataset.away = "";
}

function reachable(url) {
  if (!silent.delete(url)) return;
  if (silent.size) return refresh();
  document.getElementById("unreachable").hidden = true;
  delete document.documentElement.dataset.away;
}

followAll();
