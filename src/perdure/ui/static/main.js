// What every page has. A page's own module comes beside it: {% block scripts %}.
import "./clock.js";
import "./confirm.js";
import "./copy.js";
import "./keys.js";
import "./live.js";
import "./theme.js";

for (const tool of document.querySelectorAll("[data-needs-script]")) tool.hidden = false;
for (const tool of document.querySelectorAll("[data-without-script]")) tool.hidden = true;
// On a phone the navigation is a bar that scrolls sideways, to where one is.
// (scrollIntoView would make Tab begin there, and not at the top.)
const bar = document.querySelector(".side nav");
const here = bar.querySelector("[aria-current]");
const toHere = () => (bar.scrollLeft = here.offsetLeft - (bar.clientWidth - here.clientWidth) / 2);
if (here) new ResizeObserver(toHere).observe(bar);
