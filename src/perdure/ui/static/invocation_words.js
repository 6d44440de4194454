// The words of a run while it speaks, below its journal. What is said and over stands in its row.
import { isOver, journal } from "./invocation_lanes.js";

const COME_BACK_MS = 3_000;

let stream = null;
const said = new Map(); // source -> { who, text }

/** One connection, and none while the tab is hidden: a browser has few of them for all its tabs together. */
export function listen() {
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

/** Beside a model call that is under way. Its row may come later than its first words. */
export function showSaid() {
  const box = document.getElementById("live-text");
  const speaks = [...said.values()].at(-1);
  const isShown = Boolean(speaks?.text) && !isOver() && journal.querySelector(".step.model.open") !== null;
  box.hidden = !isShown;
  if (!isShown) return;
  document.getElementById("live-text-who").textContent = speaks.who ?? "";
  box.querySelector("p").textContent = speaks.text;
}

document.addEventListener("visibilitychange", listen);
