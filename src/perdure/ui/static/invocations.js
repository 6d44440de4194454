// The filter applies as it is changed, without a reload: the address changes, and the live section follows it.
import { followAll } from "./live.js";

const form = document.getElementById("filters");
let timer;

function apply() {
  clearTimeout(timer);
  const given = [...new FormData(form)].filter(([, value]) => value !== "");
  const query = new URLSearchParams(given).toString();
  history.replaceState(null, "", query ? `?${query}` : location.pathname);
  followAll(true);
}

form.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(apply, 250);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  apply();
});
