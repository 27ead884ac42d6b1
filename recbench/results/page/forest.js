"use strict";
// The methods of one column, best first, each with its interval on an axis that all share.

const LINES = 10; // of a column that are shown unless all are asked for

const columnWith = (place) => data.sections.flatMap(({ columns }) => columns).find(({ cells }) => cells.includes(place));

// What is known of each method: where it lies, the ends of its interval, and what a test says of it beside the best.
function besideBest(column) {
  const places = column.cells.filter((place) => data.cells[place].chosen && data.cells[place].mean !== null);
  const best = data.cells[places[0]];
  const tested = places.some((place) => data.compared[place]);
  return places.map((place, number) => {
    const cell = data.cells[place];
    const [low, high, alike] = data.compared[place] ?? [null, null, 0];
    const sd = tested ? 0 : cell.sd ?? 0;
    const ends = low === null ? [cell.mean - sd, cell.mean + sd] : [best.mean + low, best.mean + high];
    const verdict = number === 0 ? "best" : low === null ? "not tested" : alike ? "not told apart" : "worse";
    return { place, cell, method: data.methods[cell.method], ends, low, high, verdict, rank: number + 1, sd };
  });
}

function answerInWords(lines) {
  const [best, ...others] = lines;
  const [alike, worse, untested] = ["not told apart", "worse", "not tested"].map((verdict) => others.filter((line) => line.verdict === verdict));
  const [name, value, count] = [best.method.name, spread(best.cell, 4), (number) => (number === 1 ? "One other is" : `${number} others are`)];
  if (untested.length === others.length) {
    return `${name} has the best mean, ${value}. How sure that is was not tested, because the scores of single users, which a test needs, were not kept.`;
  }
  if (worse.length === others.length) {
    return `${name} is best, with ${value}: better than ${worse.length === 1 ? "the other" : `all ${worse.length} others`} beyond chance, by a test over users and seeds.`;
  }
  const words = [`${name} has the best mean, ${value}.`];
  if (alike.length) words.push(`A test over users and seeds does not tell it apart from ${[...new Set(alike.map(({ method }) => method.name))].join(", ")}.`);
  if (worse.length) words.push(`${count(worse.length)} worse beyond chance.`);
  if (untested.length) words.push(`${count(untested.length)} not tested, because the scores of single users were not kept.`);
  return words.join(" ");
}

// Round numbers inside of an axis, about four.
function ticksOf(low, high) {
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((each) => each * power >= rough) ?? 10);
  const digits = Math.max(0, Math.min(6, -Math.floor(Math.log10(step) + 1e-9)));
  const ticks = [];
  for (let tick = Math.ceil(low / step); tick * step <= high; tick++) ticks.push([tick * step, (tick * step).toFixed(digits)]);
  return ticks;
}

function axisOf(lines) {
  const ends = lines.flatMap((line) => line.ends);
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const room = (high - low || Math.abs(high) || 1) * 0.04;
  const at = (value) => ((value - low + room) / (high - low + 2 * room)) * 100;
  const ticks = high > low ? ticksOf(low, high) : ticksOf(low - room, high + room); // at the very edge a number is cut off
  return { at, ticks };
}

function bar(line, axis, best) {
  const shown = element("i", "", line.verdict === "best" || line.verdict === "not told apart" ? "range" : "range apart");
  shown.ariaHidden = "true";
  const places = { l: axis.at(line.ends[0]), m: axis.at(line.cell.mean), h: axis.at(line.ends[1]), b: axis.at(best.cell.mean) };
  for (const [name, value] of Object.entries(places)) shown.style.setProperty(`--${name}`, value.toFixed(1));
  return shown;
}

function scale(axis) {
  const shown = element("span", "", "ticks");
  shown.ariaHidden = "true";
  for (const [value, text] of axis.ticks) {
    const tick = element("span", text);
    tick.style.left = `${axis.at(value).toFixed(1)}%`;
    shown.append(tick);
  }
  const heading = document.createDocumentFragment();
  heading.append(shown, element("span", "Interval", "hidden"));
  return heading;
}

// The name, and where several lines have it the settings that not all of these have.
function nameOf(line, lines) {
  const shown = document.createDocumentFragment();
  shown.append(link(line.method.name, `#run=${data.runs[line.cell.runs[0]].run}`, "name"));
  const twins = lines.filter(({ method }) => method.name === line.method.name).map(({ method }) => method.label.split(", "));
  const own = line.method.label.split(", ").filter((word) => !twins.every((words) => words.includes(word)));
  if (own.length) shown.append(" ", element("span", own.join(", "), "settings"));
  return shown;
}

function drawForest(part, place, whole) {
  const column = columnWith(place);
  const lines = besideBest(column);
  const shown = whole ? lines : lines.slice(0, LINES);
  const axis = axisOf(shown);
  const rows = shown.map((line) => {
    const number = button("", () => {}, "");
    number.dataset.cell = line.place;
    number.append(spread(line.cell, 4));
    const verdict = document.createDocumentFragment();
    verdict.append(line.verdict);
    if (line.low !== null) verdict.append(" ", element("span", `${signed(line.low)} to ${signed(line.high)}`, "settings"));
    const seconds = mean(line.cell.runs.map((run) => data.runs[run].seconds));
    return [`${line.rank}`, nameOf(line, lines), bar(line, axis, lines[0]), number, verdict, duration(seconds), `${line.cell.values.length}`];
  });
  const headings = ["Rank", "Loss × backbone", scale(axis), column.metric, "Beside the best", "Training", "Seeds"];
  const table = tableOf(`Methods by ${column.metric} of ${column.feedback}, best first`, headings, rows);
  for (const { cells } of table.tBodies[0].rows) cells[5].dataset.seeds = `${cells[6].textContent} seed${cells[6].textContent === "1" ? "" : "s"}`;
  part.querySelector(".scroll").replaceChildren(table);
  part.querySelector(".in-words").textContent = answerInWords(lines);
  const tested = lines.some(({ low }) => low !== null);
  const bars = tested
    ? "A bar is the 95 % interval of the difference to the best, over users and seeds, beside the line of the best. “Worse” is what a test says that is corrected for the number of methods."
    : shown.some(({ sd }) => sd > 0) ? "A bar is the mean ± standard deviation over seeds; it does not say how much users differ." : "There are no bars, as these have one seed each.";
  const seeds = lines.filter(({ method }) => method.backbone !== "baseline").map(({ cell }) => cell.values.length);
  const one = " Of losses with one seed it does not say how much their runs differ: another seed may turn what is close.";
  const two = " Of losses with two seeds it shows next to nothing: train a third.";
  part.querySelector(".bars").textContent = bars + (tested && seeds.includes(1) ? one : "") + (tested && seeds.includes(2) ? two : "");
  const more = part.querySelector(".more");
  more.hidden = lines.length <= LINES;
  more.ariaExpanded = whole;
  more.textContent = whole ? `Show the first ${LINES}` : `Show all ${lines.length}`;
}

function startForest() {
  const part = document.querySelector(".forest");
  if (!part) return;
  const rows = all(".glance tbody tr");
  const select = part.querySelector("select");
  select.replaceChildren(...rows.map((row) => element("option", `${row.cells[0].textContent.trim().split(/\s+/).join(", ")}, ${row.cells[1].textContent}`)));
  select.closest("label").hidden = rows.length < 2;
  document.querySelector(".glance").hidden = rows.length < 2;
  const before = data.version && sessionStorage.getItem("answer");
  if (all("option", select).some(({ value }) => value === before)) select.value = before;
  let whole = false;
  const show = () => drawForest(part, +rows[select.selectedIndex].querySelector("[data-cell]").dataset.cell, whole);
  select.addEventListener("change", () => {
    if (data.version) sessionStorage.setItem("answer", select.value);
    show();
  });
  part.querySelector(".more").addEventListener("click", () => {
    whole = !whole;
    show();
  });
  part.hidden = false;
  show();
}
