// Keys: / searches, j and k go through rows ([data-row], by its first link), g and a letter goes to a page, ? tells.
const keys = document.getElementById("keys");
let afterG = false;

const rows = () => [...document.querySelectorAll("[data-row]")].filter((row) => row.querySelector("a"));

function step(by) {
  const all = rows();
  const at = all.findIndex((row) => row.contains(document.activeElement));
  const next = all[at < 0 ? 0 : Math.min(Math.max(at + by, 0), all.length - 1)];
  next?.querySelector("a").focus();
}

const COMMANDS = {
  "/": () => document.querySelector("[data-search]")?.focus(),
  "?": () => keys.showModal(),
  j: () => step(1),
  k: () => step(-1),
};

document.addEventListener("keydown", (event) => {
  const { target, key } = event;
  const isTyping = target.matches("input, textarea, select, [contenteditable]");
  if (isTyping && key === "Escape") target.blur();
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (afterG) {
    afterG = false;
    document.querySelector(`nav [data-key="${CSS.escape(key)}"]`)?.click();
  } else if (key === "g") {
    afterG = true;
    setTimeout(() => (afterG = false), 1000);
  } else if (Object.hasOwn(COMMANDS, key)) {
    event.preventDefault();
    COMMANDS[key]();
  } else if ((key === "ArrowDown" || key === "ArrowUp") && target.closest("[data-row]")) {
    event.preventDefault();
    step(key === "ArrowDown" ? 1 : -1);
  }
});

document.querySelector("[data-show-keys]").addEventListener("click", () => keys.showModal());
