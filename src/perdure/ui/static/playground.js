// The form of a handler. The server makes it: every button posts it, and what has changed is taken from the answer.
import { watch } from "./watch.js";

const INPUTS_MAX = 10;
const INPUT_CHARS_MAX = 50_000;
const LOOK_AFTER_MS = 300;
const form = () => document.getElementById("call");

async function post(what, more = {}) {
  const body = new URLSearchParams(new FormData(form()));
  body.set("do", what);
  for (const [name, value] of Object.entries(more)) body.set(name, value);
  const answer = await fetch(form().action, { method: "POST", body });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (!page.getElementById("call")) throw new Error(page.querySelector("main")?.textContent.trim() ?? answer.statusText);
  return page;
}

// How often. An answer to what the form was before does not count.
let pressed = 0;
let looked = 0;

async function press(what, more) {
  const number = ++pressed;
  looked += 1;
  const focused = document.activeElement;
  form().inert = true; // what is typed now would be lost
  try {
    const page = await post(what, more);
    if (number !== pressed) return;
    replace(page, "try");
    focus(focused);
    replace(page, "curl");
    const sent = page.getElementById("result");
    if (sent.dataset.invocation) {
      replace(page, "result");
      keep(sent.dataset.sent);
      history.replaceState(null, "", `${location.pathname}?invocation=${encodeURIComponent(sent.dataset.invocation)}`);
      show();
    }
    ready();
  } catch (error) {
    form().inert = false;
    fail(error);
  }
}

function replace(page, id) {
  const old = document.getElementById(id);
  const fresh = page.getElementById(id);
  const opened = [...old.querySelectorAll("details")].map((each) => each.open);
  old.replaceWith(fresh);
  [...fresh.querySelectorAll("details")].forEach((each, at) => (each.open ||= opened[at] ?? false));
}

// To what is wrong first, or to where it was.
function focus(before) {
  if (before.form?.id !== "call") return;
  const value = before.name === "do" ? `[value="${CSS.escape(before.value)}"]` : "";
  const same = before.name ? form().querySelector(`[name="${CSS.escape(before.name)}"]${value}`) : null;
  (form().querySelector("[aria-invalid]") ?? same ?? document.getElementById("do-call")).focus();
}

function show() {
  const run = document.querySelector("#result [data-watch]");
  if (run) void watch(run);
}

function fail(error) {
  const note = Object.assign(document.createElement("p"), { className: "banner failed", textContent: `The engine is not reachable: ${error.message}` });
  note.setAttribute("role", "alert");
  form().querySelectorAll(".banner.failed").forEach((each) => each.remove());
  form().prepend(note);
}

// ---- last inputs, kept in this browser

const place = () => `perdure:playground:${form().dataset.target}`;

function kept() {
  try {
    const inputs = JSON.parse(localStorage.getItem(place())) ?? [];
    return Array.isArray(inputs) ? inputs.filter((each) => typeof each?.value === "string") : [];
  } catch {
    return [];
  }
}

function keep(value) {
  if (value.length > INPUT_CHARS_MAX) return;
  const options = Object.fromEntries(["key", "body"].map((name) => [name, form().elements.namedItem(name)?.value]));
  const others = kept().filter((each) => each.value !== value || each.key !== options.key);
  try {
    localStorage.setItem(place(), JSON.stringify([{ value, ...options, at: Date.now() }, ...others].slice(0, INPUTS_MAX)));
  } catch {
    // the browser keeps nothing, or has no room
  }
}

async function load({ value, key, body }) {
  const more = value ? { load: value } : {};
  for (const [name, text] of Object.entries({ key, body })) if (text !== undefined) more[name] = text;
  await press(value ? "load" : "look", more);
}

function ready() {
  const list = document.getElementById("recent");
  const inputs = kept();
  list.hidden = inputs.length === 0;
  list.replaceChildren(new Option("Last inputs", ""));
  inputs.forEach(({ value, key, at }, number) => {
    const words = `${new Date(at).toLocaleTimeString()}  ${key ? `${key}: ` : ""}${value || "no input"}`;
    list.add(new Option(words.length > 80 ? `${words.slice(0, 80)}…` : words, String(number)));
  });
  for (const button of document.querySelectorAll("[data-without-script]")) button.hidden = true;
}

if (form()) {
  document.addEventListener("submit", (event) => {
    if (event.target.id !== "call") return;
    event.preventDefault();
    void press(event.submitter?.value ?? "look");
  });
  document.addEventListener("change", ({ target }) => {
    if (target.id === "recent" && target.value) void load(kept()[Number(target.value)]);
    else if (target.name?.startsWith("variant:")) void press("look");
  });
  let timer;
  document.addEventListener("input", ({ target }) => {
    if (target.form?.id !== "call") return;
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const number = ++looked;
      const page = await post("look").catch(() => null);
      if (page && number === looked) replace(page, "curl");
    }, LOOK_AFTER_MS);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.form?.id === "call") {
      event.preventDefault();
      void press("call");
    }
  });
  ready();
  show();
  const [last] = kept();
  const asked = new URLSearchParams(location.search);
  if (last && !asked.has("new") && !asked.has("like")) void load(last);
}

// ---- the list of handlers

document.getElementById("find")?.addEventListener("input", ({ target }) => {
  const wanted = target.value.trim().toLowerCase();
  for (const each of document.querySelectorAll("[data-target]:not(form)")) each.hidden = !each.dataset.target.includes(wanted);
  for (const each of document.querySelectorAll("[data-service]")) each.hidden = !each.querySelector("li:not([hidden])");
  document.getElementById("nothing-found").hidden = document.querySelector("#handlers li:not([hidden])") !== null;
});
const choose = document.querySelector("details.choose");
if (choose && matchMedia("(max-width: 900px)").matches) choose.open = false;
