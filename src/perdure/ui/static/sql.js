// The editor: Ctrl+Enter runs, a click on a column inserts it. The rows are all in the page, a hundred are shown.
const ROWS_A_PAGE = 100;
const editor = document.getElementById("query");
const form = document.getElementById("query-form");

editor.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  form.requestSubmit();
});
form.addEventListener("submit", () => {
  const button = form.querySelector(".primary");
  button.setAttribute("aria-disabled", "true");
  button.lastChild.textContent = "Running …";
});
// The page may come back as it was left.
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());

function insert(text) {
  const before = editor.value.slice(0, editor.selectionStart);
  const gap = before && !/[\s(.,]$/.test(before) ? (/\bselect\b[^]*$/i.test(before) && !/\bfrom\b/i.test(before) ? ", " : " ") : "";
  editor.focus();
  editor.setRangeText((/select$/i.test(before) ? " " : gap) + text, editor.selectionStart, editor.selectionEnd, "end");
}

document.addEventListener("click", ({ target }) => {
  const column = target.closest("[data-insert]");
  if (!column) return;
  if (!editor.value.trim()) editor.value = `SELECT \nFROM ${column.closest("[data-table]").dataset.table}\nLIMIT 100`;
  if (editor.selectionStart === editor.value.length && /^SELECT \n/.test(editor.value)) editor.setSelectionRange(7, 7);
  insert(column.dataset.insert);
});

const rows = [...document.querySelectorAll("#result tbody tr")];
const pages = document.getElementById("pages");
if (pages && rows.length > ROWS_A_PAGE) {
  const last = Math.ceil(rows.length / ROWS_A_PAGE) - 1;
  let now = 0;
  const show = (page) => {
    now = Math.min(Math.max(page, 0), last);
    rows.forEach((row, at) => (row.hidden = Math.floor(at / ROWS_A_PAGE) !== now));
    const first = now * ROWS_A_PAGE;
    document.getElementById("page-now").textContent = `rows ${first + 1} to ${Math.min(first + ROWS_A_PAGE, rows.length)}`;
    document.getElementById("page-before").disabled = now === 0;
    document.getElementById("page-after").disabled = now === last;
  };
  document.getElementById("page-before").addEventListener("click", () => show(now - 1));
  document.getElementById("page-after").addEventListener("click", () => show(now + 1));
  pages.hidden = false;
  show(0);
}
