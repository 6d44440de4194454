// The switch turns light into dark and back. The choice is a cookie, so that the next page comes in it at once; the
// one that the system has anyway is no choice.
const YEAR_S = 31_536_000;
const system = matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;

document.querySelector("[data-theme-switch]").addEventListener("click", () => {
  const ofTheSystem = system.matches ? "dark" : "light";
  const next = (root.dataset.theme ?? ofTheSystem) === "dark" ? "light" : "dark";
  const isChosen = next !== ofTheSystem;
  if (isChosen) root.dataset.theme = next;
  else delete root.dataset.theme;
  const age = isChosen ? YEAR_S : 0;
  document.cookie = `perdure-theme=${next}; path=${root.dataset.base || "/"}; max-age=${age}; samesite=strict`;
});
