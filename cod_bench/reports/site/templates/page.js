const root = document.documentElement;
const button = document.getElementById("theme");
const told = { auto: "as the system", light: "light", dark: "dark" };
function tell() {
  const now = root.dataset.theme || "auto";
  button.querySelector("span").textContent = now;
  button.setAttribute("aria-label", "Colour scheme: " + told[now]);
}
button.addEventListener("click", () => {
  const order = ["auto", "light", "dark"];
  const next = order[(order.indexOf(root.dataset.theme || "auto") + 1) % 3];
  if (next === "auto") delete root.dataset.theme; else root.dataset.theme = next;
  try { localStorage.setItem("cod-bench-theme", next); } catch (error) { /* not kept */ }
  tell();
});
tell();

const table = document.getElementById("cells");
const form = document.getElementById("filters");
const selects = [...form.querySelectorAll("select")];
const columns = selects.map((select) => Number(select.dataset.column));
// As the browser tells an option's value: blanks at the ends gone, others one.
const valueOf = (cell) => cell.textContent.trim().replace(/\s+/g, " ");
const facts = [...table.tBodies[0].rows].map((row) => columns.map((column) => valueOf(row.cells[column])));
const wanted = () => selects.map((select) => select.value);
let chosen = wanted();
const fits = (fact) => chosen.every((value, i) => value === "" || fact[i] === value);

// Suites, tracks and protocols never share a table: choosing one moves the others to a section that exists.
const whole = selects.flatMap((select, i) => (select.dataset.whole ? [i] : []));
function settle(changed) {
  const now = wanted();
  const there = facts.find((fact) => whole.every((i) => fact[i] === now[i]))
    || facts.find((fact) => whole.slice(0, whole.indexOf(changed) + 1).every((i) => fact[i] === now[i]))
    || facts.find((fact) => fact[changed] === now[changed]);
  if (there && whole.includes(changed)) whole.forEach((i) => { selects[i].value = there[i]; });
  chosen = wanted();
  if (!facts.some(fits)) {
    selects.forEach((select, i) => { if (!whole.includes(i) && i !== changed) select.value = ""; });
    chosen = wanted();
  }
}

// "+4.95" and "–" are no numbers to a browser: these columns sort by value, what is missing is lowest.
const numeric = [...table.tHead.rows[0].cells].flatMap((head, i) => (head.classList.contains("n") ? [i] : []));
const coded = numeric.filter((i) => table.tBodies[0].rows[0].cells[i].dataset.order !== undefined);
const value = (text) => { const found = Number.parseFloat(text); return Number.isNaN(found) ? -Infinity : found; };
const box = table.closest(".scroll");
const label = box.getAttribute("aria-label");
["tabindex", "role", "aria-label"].forEach((name) => box.removeAttribute(name));
box.classList.remove("scroll");
const data = new DataTable(table, {
  autoWidth: false,
  order: [[ORDER, "desc"]],
  columnDefs: [
    { targets: numeric, orderSequence: ["desc", "asc"] },
    {
      targets: numeric.filter((i) => !coded.includes(i)), type: "num",
      render: (text, use) => (use === "sort" || use === "type" ? value(text) : text),
    },
  ],
  pageLength: 25,
  lengthMenu: [[25, 100, -1], ["25", "100", "all"]],
  layout: { topStart: "info", topEnd: "search", bottomStart: "pageLength", bottomEnd: "paging" },
  language: { search: "Search", info: "_TOTAL_ of _MAX_ lines", infoEmpty: "no line", infoFiltered: "", lengthMenu: "_MENU_ lines a page", zeroRecords: "No line fits; reset the filters." },
});
// The filters name suite, track and protocol; without scripts their columns do.
data.columns(whole.map((i) => columns[i])).visible(false);
const inner = data.table().container().querySelector(".dt-layout-table") || table.parentElement;
Object.entries({ tabindex: "0", role: "region", "aria-label": label }).forEach(([name, value]) => inner.setAttribute(name, value));
data.search.fixed("filters", (_text, _row, index) => fits(facts[index]));
data.draw();
form.addEventListener("change", (event) => { settle(selects.indexOf(event.target)); data.draw(); });
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(() => { chosen = wanted(); data.search("").draw(); }, 0));
