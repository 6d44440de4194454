// A conversation: each turn that goes on is watched, one after the other; a message is posted, and the turns that
// are new are taken from the page that answers.
import { tell } from "./clock.js";
import { watch } from "./watch.js";

const turns = document.getElementById("turns");
const composer = document.getElementById("composer");
const message = document.getElementById("message");
let watching = Promise.resolve();

function watchAll() {
  for (const run of turns.querySelectorAll("[data-watch]:not([data-queued])")) {
    run.dataset.queued = "yes"; // a browser has six connections to a host
    watching = watching.then(() => watch(run));
  }
}

async function say() {
  const answer = await fetch(composer.action, { method: "POST", body: new URLSearchParams(new FormData(composer)) });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("composer");
  if (!fresh) throw new Error(page.querySelector("main")?.innerText ?? answer.statusText);
  const problem = page.getElementById("composer-problem").textContent;
  if (problem) throw new Error(problem);
  for (const turn of page.querySelectorAll(".turn")) if (!document.getElementById(turn.id)) turns.append(turn);
  document.querySelector(".partners")?.replaceWith(page.querySelector(".partners"));
  composer.elements.nonce.value = fresh.elements.nonce.value;
  message.value = "";
  document.getElementById("nothing-said").hidden = true;
  tell();
  watchAll();
  toTheEnd();
}

function toTheEnd() {
  scrollTo({ top: document.documentElement.scrollHeight });
}

composer.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (composer.hasAttribute("aria-busy")) return;
  const problem = document.getElementById("composer-problem");
  problem.hidden = true;
  composer.setAttribute("aria-busy", "true");
  try {
    await say();
  } catch (error) {
    problem.textContent = error.message; // the message stays where it is
    problem.hidden = false;
  } finally {
    composer.removeAttribute("aria-busy");
    message.focus();
  }
});

message.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  composer.requestSubmit();
});

const others = document.querySelector("details.others");
if (matchMedia("(max-width: 900px)").matches) others.open = false;
watchAll();
if (turns.children.length) toTheEnd();
