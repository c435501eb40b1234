
// The main table: filters, search, order and columns, all of which stand in the address.
const table = document.getElementById("cells");
const form = document.getElementById("filters");
const states = [...document.querySelectorAll("#states > p")].map((line) => ({ line, ...JSON.parse(line.dataset.info) }));
const heads = [...table.tHead.rows[0].cells];
const names = heads.map((head) => head.textContent.trim());
const selects = [...form.querySelectorAll("select")];
const columns = selects.map((select) => Number(select.dataset.column));
const options = selects.map((select) => [...select.options].map((option) => option.value));
const first = selects.map((select) => select.value);
const place = (name) => selects.findIndex((select) => select.name === name);
const TASK = place("task"), K = place("k"), CONDITION = place("condition"), KIND = place("kind");
const ALL = form.dataset.all, NONE = "–";
const whole = selects.flatMap((select, i) => (select.dataset.whole ? [i] : []));

// As the browser tells an option's value: blanks at the ends gone, others one.
const valueOf = (cell) => cell.textContent.trim().replace(/\s+/g, " ");
const lines = [...table.tBodies[0].rows];
const cells = lines.map((row) => [...row.cells].map(valueOf)); // before any column is hidden
const facts = cells.map((row) => columns.map((column) => row[column]));
const number = (text) => { const found = /[-+]?\d+(\.\d+)?/.exec(text ?? ""); return found ? Number(found[0]) : NaN; };

let chosen = [...first];
const asked = () => data.search().trim();
// The teacher and the larger class are lines of no method, condition or k; a ceiling has no k. Where something is
// searched, every task is looked at unless a single one is chosen.
const isLevel = (fact) => fact[CONDITION] === NONE;
function fits(fact, choice = chosen, searched = asked() !== "") {
  return choice.every((value, i) => value === "" || fact[i] === value
    || (i === K && fact[i] === NONE)
    || (isLevel(fact) && i !== TASK && i !== KIND && !whole.includes(i))
    || (i === TASK && searched && value === ALL));
}
const strictly = (fact, choice) => !isLevel(fact) && choice.every((value, i) => value === "" || fact[i] === value);
const there = (choice) => facts.some((fact) => strictly(fact, choice));

// Suites, tracks and protocols never share a table: choosing one moves the others to a section that exists.
function settle(changed) {
  const now = [...chosen];
  const upTo = whole.slice(0, Math.max(0, whole.indexOf(changed)) + 1);
  const section = facts.find((fact) => whole.every((i) => fact[i] === now[i]))
    || facts.find((fact) => upTo.every((i) => fact[i] === now[i]))
    || facts.find((fact) => fact[changed] === now[changed]);
  if (section && (changed === undefined || whole.includes(changed))) whole.forEach((i) => { chosen[i] = section[i]; });
  const others = selects.map((_, i) => i).filter((i) => !whole.includes(i) && i !== changed);
  for (const i of others) if (!there(chosen) && chosen[i] !== "") {
    const before = chosen[i];
    const only = facts.some((fact) => fact[i] === before && whole.every((w) => fact[w] === chosen[w]));
    if (!only) chosen[i] = facts.some((fact) => fact[i] === first[i] && whole.every((w) => fact[w] === chosen[w])) ? first[i] : "";
  }
  for (const i of [KIND, CONDITION, place("method"), K, TASK]) if (!there(chosen) && i !== changed && chosen[i] !== "") chosen[i] = "";
}

// A filter offers what there is, given what the others say.
function offer() {
  selects.forEach((select, i) => {
    const rank = whole.indexOf(i);
    const rest = chosen.map((value, j) => (j === i || (rank >= 0 && whole.indexOf(j) > rank) || (rank >= 0 && !whole.includes(j)) ? "" : value));
    const found = new Set(facts.filter((fact) => strictly(fact, rest)).map((fact) => fact[i]));
    if (i === KIND) facts.forEach((fact) => { if (fits(fact, rest, false)) found.add(fact[i]); });
    const wanted = options[i].filter((value) => value === "" || found.has(value) || value === chosen[i]);
    if (wanted.join("\n") !== [...select.options].map((option) => option.value).join("\n")) {
      select.replaceChildren(...wanted.map((value) => new Option(value || "any", value)));
    }
    select.value = chosen[i];
  });
}

const sectionOf = (fact) => states.find((one) => whole.every((i) => one[selects[i].name] === fact[i]));
function report() {
  states.forEach((one) => one.line.classList.toggle("on", whole.every((i) => one[selects[i].name] === chosen[i])));
  const line = document.getElementById("elsewhere");
  line.replaceChildren();
  if (asked() === "" || data.rows({ search: "applied" }).count()) return;
  const words = asked().toLowerCase().split(/\s+/), texts = cells.map((row) => row.join(" ").toLowerCase());
  const found = facts.filter((_, i) => words.every((word) => texts[i].includes(word)));
  const suites = [...new Set(found.map((fact) => fact[whole[0]]))];
  if (!suites.length) return;
  line.append("Found elsewhere: ");
  suites.forEach((suite) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = suite;
    button.addEventListener("click", () => {
      // what hides the lines there is let go: the search alone is to decide
      chosen = selects.map((_, i) => (whole.includes(i) ? chosen[i] : i === TASK ? first[i] : ""));
      chosen[whole[0]] = suite;
      settle(whole[0]);
      show("push");
    });
    line.append(button, " ");
  });
}

heads.forEach((head, i) => {
  if (head.classList.contains("n")) lines.forEach((row) => row.cells[i].classList.add("n"));
  if (names[i] === "accuracy") lines.forEach((row) => row.cells[i].classList.add("b"));
});
const EVIDENCE = names.length;
const evidenceHead = document.createElement("th");
evidenceHead.scope = "col";
evidenceHead.textContent = "evidence";
evidenceHead.title = "records behind a line, and the command that makes them";
table.tHead.rows[0].append(evidenceHead);
lines.forEach((row) => row.insertCell());

// "+4.95" and "–" are no numbers to a browser: these columns sort by value, and what is missing is last either way.
const numeric = heads.flatMap((head, i) => (head.classList.contains("n") ? [i] : []));
const apart = (a, b, sign) => (Number.isNaN(a) || Number.isNaN(b) ? Number.isNaN(a) - Number.isNaN(b) : sign * (a - b));
DataTable.ext.type.order["measured-pre"] = number;
DataTable.ext.type.order["measured-asc"] = (a, b) => apart(a, b, 1);
DataTable.ext.type.order["measured-desc"] = (a, b) => apart(a, b, -1);
const box = table.closest(".scroll");
const label = box.getAttribute("aria-label");
["tabindex", "role", "aria-label"].forEach((name) => box.removeAttribute(name));
box.classList.remove("scroll");
const ORDER = [[names.indexOf("accuracy"), "desc"]];
const fixed = whole.map((i) => columns[i]);
const usual = names.flatMap((_, i) => (heads[i].dataset.hidden ? [] : [i]));
const data = new DataTable(table, {
  autoWidth: false,
  order: ORDER,
  columnDefs: [
    { targets: numeric, orderSequence: ["desc", "asc"], type: "measured" },
    { targets: EVIDENCE, orderable: false, searchable: false },
    { targets: names.flatMap((_, i) => (usual.includes(i) ? [] : [i])), visible: false },
  ],
  pageLength: 25,
  lengthMenu: [[25, 100, -1], ["25", "100", "all"]],
  layout: {
    topStart: { info: { callback: (_settings, _start, _end, _max, total) => `${total} of ${facts.filter((fact) => whole.every((i) => fact[i] === chosen[i])).length} lines` } },
    topEnd: "search", bottomStart: "pageLength", bottomEnd: "paging",
  },
  language: { search: "Search", lengthMenu: "_MENU_ lines a page", zeroRecords: "No line fits; reset the filters." },
});
const inner = data.table().container().querySelector(".dt-layout-table") || table.parentElement;
Object.entries({ tabindex: "0", role: "region", "aria-label": label }).forEach(([name, value]) => inner.setAttribute(name, value));
data.search.fixed("filters", (_text, _row, index) => fits(facts[index]));
const input = data.table().container().querySelector(".dt-search input");

// Columns are chosen from a list of boxes; suite, track and protocol stand in the filters.
const chooser = document.querySelector("#columns fieldset");
const boxes = names.map((name, i) => {
  if (fixed.includes(i)) return null;
  const line = document.createElement("label");
  const mark = document.createElement("input");
  mark.type = "checkbox";
  mark.name = name;
  mark.addEventListener("change", () => { visible(boxes.flatMap((one, j) => (one?.checked ? [j] : []))); keep("replace"); });
  line.append(mark, " " + name);
  line.title = heads[i].title;
  chooser.append(line);
  return mark;
});
function visible(wanted) {
  names.forEach((_, i) => {
    if (data.column(i).visible() !== wanted.includes(i)) data.column(i).visible(wanted.includes(i), false);
    if (boxes[i]) boxes[i].checked = wanted.includes(i);
  });
  data.columns.adjust();
}
const seen = () => names.flatMap((_, i) => (data.column(i).visible() ? [i] : []));

// The address says what is not as the page opens; what it says that nobody knows is passed over.
let still = true;
function keep(how) {
  if (still) return;
  const said = new URLSearchParams();
  selects.forEach((select, i) => { if (chosen[i] !== first[i]) said.set(select.name, chosen[i] || "any"); });
  if (asked()) said.set("q", asked());
  const [column, way] = data.order()[0] ?? ORDER[0];
  if (column !== ORDER[0][0] || way !== ORDER[0][1]) said.set("sort", `${names[column]}.${way}`);
  const more = seen().filter((i) => !usual.includes(i)).map((i) => names[i]);
  const less = usual.filter((i) => !seen().includes(i)).map((i) => `-${names[i]}`);
  if (more.length || less.length) said.set("columns", [...more, ...less].join(","));
  const hash = said.size ? `#${said}` : "";
  const now = location.hash.includes("=") ? location.hash : "";
  if (hash !== now) history[`${how}State`](null, "", hash || location.pathname + location.search);
}
function recall() {
  const hash = location.hash.slice(1);
  if (hash && !hash.includes("=")) return false; // an anchor says nothing of the table
  const said = new URLSearchParams(hash);
  chosen = selects.map((select, i) => {
    const value = said.get(select.name);
    if (value === "any" && !whole.includes(i)) return "";
    return options[i].includes(value) && value !== "" ? value : first[i];
  });
  settle();
  still = true;
  const text = (said.get("q") ?? "").slice(0, 200);
  input.value = text;
  data.search(text);
  const [, name, way] = /^(.*)\.(asc|desc)$/.exec(said.get("sort") ?? "") ?? [];
  data.order(names.includes(name) ? [[names.indexOf(name), way]] : ORDER);
  const told = (said.get("columns") ?? "").split(",");
  visible(names.flatMap((name, i) => (!fixed.includes(i) && (usual.includes(i) ? !told.includes(`-${name}`) : told.includes(name)) ? [i] : [])));
  show();
  still = false;
  return hash !== "";
}
function show(how) {
  const before = still;
  still = true; // one step of the history, not one an event
  offer();
  data.draw();
  still = before;
  if (how) keep(how);
}
form.addEventListener("change", (event) => {
  const i = selects.indexOf(event.target);
  chosen[i] = event.target.value;
  settle(i);
  show("push");
});
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", (event) => {
  event.preventDefault();
  chosen = [...first];
  input.value = "";
  data.search("");
  show("push");
});
data.on("draw", () => { report(); keep("replace"); });
window.addEventListener("popstate", recall);
if (recall() && performance.getEntriesByType("navigation")[0]?.type === "navigate") {
  document.getElementById("leaderboard").scrollIntoView({ behavior: "instant" });
}
