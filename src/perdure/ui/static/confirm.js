// A form with data-confirm="question" asks before it is sent. The server asks itself where `confirmed` is missing.
const dialog = document.getElementById("confirm");

let last = Promise.resolve();

// One after the other: "close" comes a moment after the dialog has closed, and would answer a question that is new.
export function confirmed(question, yes = "Yes") {
  return (last = last.then(() => ask(question, yes)));
}

function ask(question, yes) {
  document.getElementById("confirm-question").textContent = question;
  document.getElementById("confirm-yes").textContent = yes;
  dialog.returnValue = "no"; // also for Escape
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true });
  });
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.dataset.confirm || form.elements.namedItem("confirmed")) return;
  event.preventDefault();
  if (!(await confirmed(form.dataset.confirm, event.submitter?.textContent.trim()))) return;
  const yes = Object.assign(document.createElement("input"), { type: "hidden", name: "confirmed", value: "yes" });
  form.append(yes);
  if (!form.isConnected) {
    // The page has gone on meanwhile, and the button with it: the engine says whether it may still be.
    form.hidden = true;
    document.body.append(form);
  }
  form.requestSubmit(event.submitter);
});
