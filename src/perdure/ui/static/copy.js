// A click on [data-copy] copies that text.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const done = await copied(button.dataset.copy);
  document.getElementById("announce").textContent = done ? "Copied" : "This browser lets nothing be copied";
  button.classList.toggle("copied", done);
  setTimeout(() => button.classList.remove("copied"), 1200);
});

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text); // only on https and localhost
    return true;
  } catch {
    const area = Object.assign(document.createElement("textarea"), { value: text, className: "hidden-visually" });
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
