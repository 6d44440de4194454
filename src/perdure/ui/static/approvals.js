// The name that decisions are signed with is kept as soon as it is typed: the button is for those without scripts.
const form = document.querySelector(".decider");
const input = form.elements.namedItem("by");

form.querySelector("button").hidden = true;
input.addEventListener("change", async () => {
  await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual" });
  document.getElementById("announce").textContent = input.value ? `You decide as ${input.value}` : "You decide without a name";
});
