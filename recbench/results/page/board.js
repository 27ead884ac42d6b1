"use strict";
// Sorting and filtering of the tables, and what happens when the page opens.

// What rows are filtered by, and what numbers sort by: those that are undefined or were not measured come last.
function setKeys(table) {
  for (const number of all("tbody [data-cell]", table)) {
    const cell = data.cells[number.dataset.cell];
    number.closest("td").dataset.sort ||= (cell.mean ?? -1e12).toFixed(12);
    const { loss, backbone } = data.methods[cell.method];
    Object.assign(number.closest("tr").dataset, { loss, backbone });
  }
  for (const cell of all("tbody .none", table)) cell.dataset.sort = -1e12;
}

function sortable(table, remembered) {
  setKeys(table);
  const sorter = new Tablesort(table);
  const headings = [...table.tHead.rows[0].cells];
  const choose = (event) => {
    sorter.options.descending = event.target.closest("th")?.dataset.first === "descending";
  };
  table.tHead.addEventListener("click", choose, true);
  table.tHead.addEventListener("keydown", choose, true);
  table.tHead.addEventListener("keydown", (event) => {
    if (event.key !== " " || event.target.tagName !== "TH") return;
    event.preventDefault(); // the page would scroll
    event.target.click();
  });
  const before = remembered[table.caption.textContent];
  const heading = headings.find((each) => each.textContent === before?.heading);
  for (let tries = 0; heading && heading.ariaSort !== before.order && tries < 2; tries++) heading.click();
  table.addEventListener("afterSort", () => {
    if (table.closest(".board, .by-dataset")) shorten(table.closest(".board, .by-dataset"));
    const sorted = headings.find((each) => each.ariaSort);
    remembered[table.caption.textContent] = { heading: sorted.textContent, order: sorted.ariaSort };
    if (data.version) sessionStorage.setItem("sorted", JSON.stringify(remembered));
  });
}

function fits(owner, names, choice) {
  return names.every((name) => !choice[name] || !(name in owner.dataset) || owner.dataset[name] === choice[name]);
}

const SHORT = 12; // rows of a table that are shown unless all are asked for

// Leave the first rows of those that the filters leave, and say how many there are.
function shorten(part) {
  const rows = all("tbody tr", part).filter((row) => !row.hidden);
  for (const [place, row] of rows.entries()) row.toggleAttribute("data-more", place >= SHORT);
  const more = part.querySelector(".more");
  more.hidden = rows.length <= SHORT;
  more.ariaExpanded = part.classList.contains("whole");
  more.textContent = part.classList.contains("whole") ? `Show the first ${SHORT}` : `Show all ${rows.length}`;
}

function filterBoard(board, choice) {
  const table = board.querySelector("table");
  const shown = [...table.tHead.rows[0].cells].map((heading) => fits(heading, ["metric"], choice));
  for (const row of table.rows) {
    for (const [place, cell] of [...row.cells].entries()) cell.hidden = !shown[place];
  }
  for (const row of table.tBodies[0].rows) {
    const fitting = fits(row, ["loss", "backbone"], choice) && row.cells[0].textContent.includes(choice.text)
      && (choice.all || !("other" in row.dataset));
    row.hidden = !fitting || !row.querySelector("td:not([hidden]) > [data-cell]");
  }
  shorten(board);
  board.hidden = !fits(board, ["feedback"], choice) || !table.querySelector("tbody tr:not([hidden])");
}

function filterRows(part, choice) {
  const rows = all("tbody tr", part);
  for (const row of rows) {
    const fitting = fits(row, ["loss", "backbone", "metric", "feedback"], choice);
    row.hidden = !fitting || !row.textContent.includes(choice.text);
  }
  part.hidden = rows.every((row) => row.hidden);
}

function filter() {
  const choice = chosen();
  for (const section of all(".dataset")) {
    for (const board of all(".board", section)) filterBoard(board, choice);
    for (const part of all(".beside, .runs:has(tbody)", section)) filterRows(part, choice);
    section.hidden = !fits(section, ["dataset"], choice) || !section.querySelector(".board:not([hidden])");
    if (drawn.has(section) && !section.hidden) draw(section);
  }
  const lines = all(".board tbody tr").length;
  const visible = all(".dataset:not([hidden]) .board:not([hidden]) tbody tr:not([hidden])").length;
  const counted = visible === lines ? `${lines}` : `${visible} of ${lines}`;
  document.getElementById("shown").textContent = `${counted} line${lines === 1 ? "" : "s"}`;
  document.getElementById("nothing").hidden = visible > 0;
  const words = filterWords();
  if (!document.body.classList.contains("one-run")) history.replaceState(null, "", words ? `#${words}` : location.pathname);
}

// The runs of a section, made when they are looked at.
function listRuns(part) {
  if (!part.open || part.querySelector("table")) return;
  const section = +part.closest(".dataset").dataset.section;
  const methodOf = new Map(data.cells.flatMap((cell) => cell.runs.map((run) => [run, data.methods[cell.method]])));
  const rows = [...methodOf].filter(([, method]) => method.section === section);
  const lines = rows.map(([place, method]) => {
    const run = data.runs[place];
    const name = document.createDocumentFragment();
    name.append(element("span", method.name, "name"), " ", element("span", method.label, "settings"));
    return [
      link(run.run, `#run=${run.run}`), name, run.seed, run.select, [run.valid.toFixed(4), run.valid],
      [`${run.best_epoch} of ${run.of_epochs}`, run.best_epoch], [duration(run.seconds), run.seconds],
      [`${run.memory.toLocaleString("en")} MiB`, run.memory],
    ];
  });
  const table = tableOf("Every run", ["Run", "Method", "Seed", "Chosen by", "Validation", "Epoch kept", "Training", "Memory"], lines);
  table.className = "sortable";
  for (const [place, row] of [...table.tBodies[0].rows].entries()) Object.assign(row.dataset, { loss: rows[place][1].loss, backbone: rows[place][1].backbone });
  for (const place of [2, 4, 5, 6, 7]) Object.assign(table.tHead.rows[0].cells[place].dataset, { sortMethod: "number", first: place === 4 ? "descending" : "ascending" });
  part.querySelector(".scroll").append(table);
  sortable(table, {});
  filterRows(part, chosen());
}

// Cards need to say what each number is.
function labelCells() {
  for (const table of all(".board table")) {
    const labels = [...table.tHead.rows[0].cells].map((heading) => heading.textContent);
    for (const row of table.rows) for (const [place, cell] of [...row.cells].entries()) cell.dataset.label = labels[place];
  }
}

function start() {
  const remembered = data.version ? JSON.parse(sessionStorage.getItem("sorted") ?? "{}") : {};
  for (const table of all("table.sortable")) sortable(table, remembered);
  document.addEventListener("click", (event) => {
    const part = event.target.matches?.(".more") && event.target.closest(".board, .by-dataset, .glance");
    if (!part) return;
    part.classList.toggle("whole");
    shorten(part);
  });
  for (const part of all(".glance")) shorten(part);
  for (const part of all("details.runs")) part.addEventListener("toggle", () => listRuns(part));
  const phone = matchMedia("(max-width: 40rem)");
  if (phone.matches) labelCells();
  phone.addEventListener("change", labelCells);
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
    const field = form.elements.namedItem(name);
    if (field?.type === "checkbox") field.checked = true;
    else if (field) field.value = value;
  }
  const observer = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting && !drawn.has(target)) draw(target);
    }
  }, { rootMargin: "200px" });
  for (const section of all(".dataset")) {
    const charts = section.querySelector(".charts");
    charts.hidden = false;
    charts.addEventListener("change", () => draw(section));
    observer.observe(section);
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", filter);
  form.addEventListener("reset", () => setTimeout(filter)); // the fields still hold the old values now
  document.querySelector("#nothing button").addEventListener("click", () => form.reset());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const section of drawn.keys()) draw(section);
    showRun();
  });
  addEventListener("hashchange", showRun);
  startForest();
  startMatrix();
  showRun();
  filter();
}

async function reloadIfChanged() {
  const answer = await fetch("version.json", { cache: "no-store" }).catch(() => null);
  const now = answer?.ok ? (await answer.json()).version : data.version;
  if (now !== data.version && !document.querySelector("#details:popover-open")) location.reload();
}

if (form) start();
if (data.version) setInterval(reloadIfChanged, 2000);
