// What every page has. A page's own module comes beside it: {% block scripts %}.
import "./clock.js";
import "./confirm.js";
import "./copy.js";
import "./keys.js";
import "./live.js";
import "./theme.js";

for (const tool of document.querySelectorAll("[data-needs-script]")) tool.hidden = false;
for (const tool of document.querySelectorAll("[data-without-script]")) tool.hidden = true;
// On a phone the navigation is a bar that scrolls sideways.
document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
