"use strict";
// Sorting and filtering of the tables, and what happens when the page opens.

function sortable(table, remembered) {
  const sorter = new Tablesort(table);
  const headings = [...table.tHead.rows[0].cells];
  const choose = (event) => {
    sorter.options.descending = event.target.closest("th")?.dataset.first === "descending";
  };
  table.tHead.addEventListener("click", choose, true);
  table.tHead.addEventListener("keydown", choose, true);
  const before = remembered[table.caption.textContent];
  const heading = headings.find((each) => each.textContent === before?.heading);
  for (let tries = 0; heading && heading.ariaSort !== before.order && tries < 2; tries++) heading.click();
  table.addEventListener("afterSort", () => {
    const sorted = headings.find((each) => each.ariaSort);
    remembered[table.caption.textContent] = { heading: sorted.textContent, order: sorted.ariaSort };
    if (data.version) sessionStorage.setItem("sorted", JSON.stringify(remembered));
  });
}

function fits(owner, names, choice) {
  return names.every((name) => !choice[name] || !(name in owner.dataset) || owner.dataset[name] === choice[name]);
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
    row.hidden = !fitting || !row.querySelector("td:not([hidden]) > .number");
  }
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
    for (const part of all(".beside, .runs", section)) filterRows(part, choice);
    section.hidden = !fits(section, ["dataset"], choice) || !section.querySelector(".board:not([hidden])");
    if (drawn.has(section) && !section.hidden) draw(section);
  }
  const lines = all(".board tbody tr").length;
  const visible = all(".dataset:not([hidden]) .board:not([hidden]) tbody tr:not([hidden])").length;
  const counted = visible === lines ? `${lines}` : `${visible} of ${lines}`;
  document.getElementById("shown").textContent = `${counted} line${lines === 1 ? "" : "s"}`;
  document.getElementById("nothing").hidden = visible > 0;
  const words = new URLSearchParams(Object.entries(choice).filter(([, value]) => value));
  history.replaceState(null, "", words.size ? `#${words}` : location.pathname);
}

function start() {
  const remembered = data.version ? JSON.parse(sessionStorage.getItem("sorted") ?? "{}") : {};
  for (const table of all("table.sortable")) sortable(table, remembered);
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
    const field = form.elements[name];
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
  });
  filter();
}

async function reloadIfChanged() {
  const answer = await fetch("version.json", { cache: "no-store" }).catch(() => null);
  const now = answer?.ok ? (await answer.json()).version : data.version;
  if (now !== data.version && !document.querySelector("#details:popover-open")) location.reload();
}

if (form) start();
if (data.version) setInterval(reloadIfChanged, 2000);
