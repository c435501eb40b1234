
// From a line to its records and to the command that makes them; what is shown, as a file.
const where = document.getElementById("states").dataset;
const made = (tag, text, put = {}) => Object.assign(document.createElement(tag), { textContent: text }, put);
const inShell = (word) => (/^[\w.,+:@%/=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch (error) { // no leave, or no secure context: the old way
    const field = document.body.appendChild(made("textarea", text));
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  const before = button.dataset.says ??= button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = before; }, 1500);
}
function save(name, kind, text) {
  const address = URL.createObjectURL(new Blob([text], { type: `${kind};charset=utf-8` }));
  const link = document.body.appendChild(made("a", "", { href: address, download: name }));
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

function pathTo(path) {
  const whole = `${where.records}/${path}`;
  if (!where.repository) return made("code", whole);
  const shape = path.endsWith(".json") ? "blob" : "tree";
  const address = `${where.repository}/${shape}/HEAD/${whole.split("/").map(encodeURIComponent).join("/")}`;
  return made("a", whole, { href: address });
}
function evidence(i) {
  const cell = (name) => cells[i][names.indexOf(name)], fact = facts[i];
  const known = sectionOf(fact), method = cell("method"), condition = cell("condition"), k = cell("k");
  const tasks = fact[TASK] === ALL ? Object.keys(known.tasks) : [fact[TASK]];
  const found = made("div", "", { className: "evidence" });
  const list = made("ul", "");
  tasks.forEach((task) => {
    const paths = isLevel(fact) ? known.references[task] ?? []
      : known.teachers.map((track) => `${known.protocol}/${track}/${task}/${method}/${known.folders[condition]}`);
    paths.forEach((path) => list.appendChild(made("li", "")).append(pathTo(path)));
  });
  const ks = k === NONE ? [] : /^\d+$/.test(k) ? [k] : known.ks;
  const files = ks.map((one) => `k${String(one).padStart(3, "0")}-…`).join(", ");
  found.append(made("p", isLevel(fact) ? "The teacher’s predictions beside the gold labels:"
    : `Records, a file a training${files ? ` (${files})` : ""}; ${known.states[method] ?? "submitted"}:`), list);
  if (!isLevel(fact)) {
    const parts = ["cod-bench", "run", "--suite", known.run, "--track", known.track];
    if (known.protocol !== "last") parts.push("--protocol", known.protocol);
    parts.push("--task", tasks.map((task) => known.tasks[task]).join(","), "--method", method, "--condition", condition);
    if (ks.length) parts.push("--k", ks.join(","));
    if (known.generator) parts.push("--generator", known.generator);
    const sources = [...new Set(tasks.map((task) => known.data[task]).filter(Boolean))];
    const command = parts.map(inShell).join(" ") + sources.map((one) => ` --data ${inShell(one)}`).join("");
    const button = made("button", "Copy", { type: "button" });
    button.addEventListener("click", () => copy(command, button));
    const line = made("p", "", { className: "command" });
    line.append(made("code", command), " ", button);
    found.append(line);
    if (known.run !== known.suite) found.append(made("p", `What suite ${known.run} does not declare is named again by its --plugin or --data.`, { className: "whose" }));
    if (sources.includes("DIR")) found.append(made("p", "DIR is a folder of your own copies of these tasks’ rows.", { className: "whose" }));
    if (sources.some((one) => one !== "DIR")) found.append(made("p", "FILE holds the texts and labels that the task was made of.", { className: "whose" }));
  }
  return found;
}
function lead() {
  data.rows({ page: "current" }).nodes().each((row) => {
    const cell = row.cells[row.cells.length - 1];
    if (!data.column(EVIDENCE).visible() || cell.firstChild) return;
    const button = made("button", "records", { type: "button", className: "why" });
    button.setAttribute("aria-expanded", "false");
    button.setAttribute("aria-label", `records and command of ${data.row(row).data().slice(0, 2).join(", ")}`);
    button.addEventListener("click", () => {
      const one = data.row(row), opened = one.child.isShown();
      if (opened) one.child.hide(); else one.child(evidence(one.index()), "evidence-row").show();
      button.setAttribute("aria-expanded", String(!opened));
    });
    cell.append(button);
  });
}
data.on("draw", lead);
lead();

document.getElementById("csv").addEventListener("click", () => {
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const wanted = [...seen(), ...fixed];
  const body = data.rows({ search: "applied", order: "applied" }).indexes().toArray()
    .map((i) => wanted.map((column) => quoted(cells[i][column].replace(/^–$/, ""))).join(","));
  save("cod-bench.csv", "text/csv", [wanted.map((i) => quoted(names[i])).join(","), ...body, ""].join("\n"));
});
const citations = [...document.querySelectorAll(".bib")];
citations.forEach((one) => {
  const button = one.querySelector("button");
  button.addEventListener("click", () => copy(one.querySelector("code").textContent + "\n", button));
});
document.getElementById("bib").addEventListener("click", () => {
  save("cod-bench.bib", "application/x-bibtex", citations.map((one) => one.querySelector("code").textContent + "\n").join("\n"));
});
