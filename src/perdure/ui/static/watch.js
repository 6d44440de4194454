// A run that is watched: an element with data-watch is filled from that URL as the run goes on. What comes is HTML:
// each part of the transcript anew when it has changed, and the order of all parts.
import { followAll } from "./live.js";
import { morph } from "./morph.js";

const COME_BACK_MS = 1_000;
const PARSER = document.createElement("template");

// Resolves when the run has ended.
export function watch(element) {
  if (element.dataset.watched) return Promise.resolve();
  element.dataset.watched = "yes";
  return new Promise((ended) => connect(element, ended));
}

function connect(element, ended) {
  const source = new EventSource(element.dataset.watch);
  const come = () => {
    source.close();
    if (element.isConnected) setTimeout(() => connect(element, ended), COME_BACK_MS);
  };
  source.onmessage = ({ data }) => {
    if (!element.isConnected) return source.close();
    const told = JSON.parse(data);
    show(element, told);
    if (told.ended) {
      source.close();
      ended();
    }
  };
  source.onerror = () => {
    say(element, "The engine is not reachable; trying again …");
    come();
  };
}

function show(element, { parts, order, activity, missing, hidden }) {
  const follows = atTheEnd();
  const list = element.querySelector("[data-parts]");
  for (const { id, html } of parts) put(list, id, html);
  followAll(); // a question that is open says when somebody else has decided it
  const wanted = new Set(order);
  for (const part of [...list.children]) if (!wanted.has(part.dataset.part)) part.remove();
  say(element, activity);
  told(element.querySelector("[data-missing]"), missing);
  told(element.querySelector("[data-hidden]"), hidden ? `Earlier parts are not shown: ${hidden}` : null);
  if (follows && element.matches("[data-follow] *")) scrollTo({ top: document.documentElement.scrollHeight });
}

function put(list, id, html) {
  PARSER.innerHTML = html;
  const fresh = PARSER.content.querySelector("[data-part]");
  const old = [...list.children].find((part) => part.dataset.part === id);
  if (old) morph(old, fresh);
  else list.append(fresh);
}

function say(element, activity) {
  const line = element.querySelector("[data-activity]");
  line.hidden = !activity;
  if (activity) line.querySelector("span").textContent = `${activity} …`;
}

function told(line, text) {
  line.hidden = !text;
  line.textContent = text ?? "";
}

// Whoever has scrolled up reads, and is left there.
function atTheEnd() {
  return document.documentElement.scrollHeight - innerHeight - scrollY < 120;
}

// A decision is made in place, and what came of it told there.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("[data-decision]") || event.defaultPrevented) return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  const buttons = form.querySelectorAll("button");
  for (const button of buttons) button.disabled = true;
  const note = form.querySelector("[role=status]") ?? form.appendChild(document.createElement("p"));
  note.setAttribute("role", "status");
  note.className = "small";
  note.textContent = "…";
  try {
    const page = new DOMParser().parseFromString(await (await fetch(form.action, { method: "POST", body })).text(), "text/html");
    const banner = page.querySelector("main > .banner:not([hidden])");
    const failed = banner?.classList.contains("failed");
    note.textContent = banner?.textContent.trim() || "Sent.";
    note.classList.toggle("problem", Boolean(failed));
  } catch (error) {
    note.textContent = `The engine is not reachable: ${error.message}`;
    note.classList.add("problem");
    for (const button of buttons) button.disabled = false;
  }
});
