"use strict";
// Methods by datasets: ranks, and differences to the best baseline.

const beside = new Map(); // cell → what it is beside the best baseline, in words
for (const { columns, methods } of data.matrices) {
  for (const { cells } of methods) {
    for (const [place, cell] of cells.entries()) {
      if (cell === null || cell.length === 2) continue;
      const [number, , difference, low, high, verdict, baseline] = cell;
      const sure = { better: "better beyond chance", worse: "worse beyond chance", even: "a test does not tell them apart" }[verdict];
      const known = low === null ? "not tested" : `95 % interval ${signed(low)} to ${signed(high)}, ${sure}`;
      beside.set(number, `${signed(difference)} to ${columns[place].baselines[baseline]}: ${known}`);
    }
  }
}
const MARK = { better: ["▲ ", "△ "], worse: ["▼ ", "▽ "], even: ["", ""] }; // tested, or not
const SAID = { better: ["better beyond chance", "better, not tested"], worse: ["worse beyond chance", "worse, not tested"], even: ["not told apart", "equal"] };

function matrixCell(cell, refitted) {
  if (cell === null) return ["–", "-1000000000000"];
  const [number, rank, difference, low, high, verdict] = cell;
  const shown = button("", () => {}, verdict ?? "");
  shown.dataset.cell = number;
  if (verdict) {
    const untested = +(low === null);
    const mark = element("span", MARK[verdict][untested]);
    mark.ariaHidden = "true";
    shown.append(mark, signed(difference), element("span", ` (${SAID[verdict][untested]})`, "hidden"));
  } else shown.append(data.cells[number].mean.toFixed(4));
  shown.append(refitted ? "* " : " ", element("span", rank === null ? "" : `${rank}.`, "rank"));
  if (low !== undefined && low !== null) shown.append(element("span", `${signed(low)} to ${signed(high)}`, "settings"));
  return [shown, rank === null ? -1000000000 : -rank];
}

function rankCell(method, matrix) {
  if (method.rank === null) return ["–", "1000000000000"];
  const shown = document.createDocumentFragment();
  shown.append(method.rank.toFixed(2));
  if (matrix.critical !== null) {
    const ranks = matrix.methods.map(({ rank }) => rank).filter((rank) => rank !== null);
    const low = Math.min(...ranks) - matrix.critical / 2;
    const scale = 100 / (Math.max(...ranks) + matrix.critical / 2 - low);
    const bar = element("i", "");
    bar.ariaHidden = "true";
    for (const [name, sign] of [["l", -1], ["m", 0], ["h", 1]]) {
      bar.style.setProperty(`--${name}`, ((method.rank + (sign * matrix.critical) / 2 - low) * scale).toFixed(1));
    }
    shown.append(bar);
  }
  return [shown, method.rank];
}

// Methods by methods; the columns are numbered as the rows are.
function drawWins(matrix) {
  const part = document.querySelector(".pairwise");
  part.hidden = false;
  part.querySelector("h2").textContent = `How often one method beats another in ${matrix.metric}`;
  part.querySelector(".copy").hidden = matrix.wins === null;
  part.querySelector(".wins").hidden = matrix.wins === null;
  part.querySelector(".wins-words").textContent = matrix.wins_words.map((words) => `${words[0].toUpperCase()}${words.slice(1)}.`).join(" ");
  if (matrix.wins === null) return;
  const names = matrix.wins.methods.map((place) => matrix.methods[place].name);
  const headings = names.map((name, place) => {
    const heading = element("abbr", `${place + 1}`);
    heading.title = name;
    return heading;
  });
  const rows = matrix.wins.cells.map((cells, line) => [`${line + 1} ${names[line]}`, ...cells.map((cell) => {
    if (cell === null) return element("span", "–", "none");
    const [better, of, sure, tested] = cell;
    const shown = element("span", `${better}/${of}`, 2 * better > of ? "better" : 2 * better < of ? "worse" : "");
    if (sure !== undefined) shown.append(` (${sure}${tested < of ? ` of ${tested}` : ""})`);
    return shown;
  })]);
  part.querySelector(".wins").replaceChildren(tableOf(`How often the method of a row beats that of a column in ${matrix.metric}`, ["Row beats column", ...headings], rows));
}

function drawMatrix(part) {
  const matrix = data.matrices[Math.max(part.querySelector("select").selectedIndex, 0)];
  const headings = matrix.columns.map(({ title, feedback, section }) => {
    const heading = document.createDocumentFragment();
    const [dataset, ...split] = title.split("/");
    heading.append(link(dataset, `#s${section}`), element("span", `${split.join("/")}, ${feedback}`, "settings"));
    return heading;
  });
  const runOf = (method) => data.runs[data.cells[method.cells.find((cell) => cell !== null)[0]].runs[0]].run;
  drawWins(matrix);
  const rows = matrix.methods.map((method, line) => [
    link(method.name, `#run=${runOf(method)}`, "name"), rankCell(method, matrix),
    ...method.cells.map((cell, place) => matrixCell(cell, matrix.columns[place].refitted.includes(line))),
  ]);
  const table = tableOf(`Methods by datasets in ${matrix.metric}`, ["Loss × backbone", "Mean rank", ...headings], rows);
  table.className = "sortable";
  for (const heading of all("thead th", table).slice(1)) Object.assign(heading.dataset, { sortMethod: "number", first: "descending" });
  all("thead th", table)[1].dataset.first = "ascending";
  part.querySelector(".scroll").replaceChildren(table);
  const bars = matrix.critical === null ? "" : " A bar reaches half of that to either side: where two do not overlap, the methods are told apart.";
  part.querySelector(".words").textContent = matrix.words && `${matrix.words[0].toUpperCase()}${matrix.words.slice(1)}.${bars}`;
  part.querySelector(".if-refitted").hidden = matrix.columns.every(({ refitted }) => refitted.length === 0);
  const compared = matrix.methods.flatMap(({ cells }) => cells.filter((cell) => cell?.length > 2));
  part.querySelector(".if-tested").hidden = compared.every(([, , , low]) => low === null);
  part.querySelector(".if-untested").hidden = compared.every(([, , , low]) => low !== null);
  sortable(table, {});
  shorten(part);
}

function startMatrix() {
  const part = document.querySelector(".by-dataset");
  if (!part) return;
  part.hidden = false;
  part.querySelector("select").addEventListener("change", () => drawMatrix(part));
  drawMatrix(part);
}
