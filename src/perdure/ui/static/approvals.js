// The name that decisions are signed with is kept as soon as it is typed: the button is for those without scripts. And
// who has a question before them hears when somebody else decides it.
import { refresh } from "./live.js";

const form = document.querySelector(".decider");
const input = form.elements.namedItem("by");

form.querySelector("button").hidden = true;
input.addEventListener("change", async () => {
  await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual" });
  document.getElementById("announce").textContent = input.value ? `You decide as ${input.value}` : "You decide without a name";
});

// ---- decided elsewhere

const waiting = document.getElementById("waiting");
const note = document.getElementById("decided");
const cardsNow = () => new Map([...waiting.querySelectorAll(".approval")].map((card) => [card.id, card]));
const left = new Map(); // those of which it is not known yet what became of them
let cards = cardsNow();
let focused = null;

document.addEventListener("focusin", ({ target }) => {
  focused = target.closest(".approval");
});

document.addEventListener("live:changed", ({ target }) => {
  if (target.id === "waiting") {
    for (const [id, card] of cards) if (!document.getElementById(id)) left.set(id, card);
    cards = cardsNow();
    if (left.size) refresh(); // what became of them stands below
  }
  for (const [id, card] of left) {
    const told = document.getElementById(`recent-${id}`)?.dataset.told;
    if (told) tell(id, card, told);
  }
});

function tell(id, card, told) {
  left.delete(id);
  const typed = card.querySelector("textarea")?.value.trim();
  const line = document.createElement("span");
  line.textContent = typed ? `${told}. Your message was not sent: ${typed}` : `${told}.`;
  if (note.hidden) note.replaceChildren();
  else note.append(document.createElement("br"));
  note.append(line);
  note.hidden = false;
  if (card === focused) note.focus();
}
