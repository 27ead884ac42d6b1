"use strict";
// The charts of a section: quality by training time, and validation by epoch.

const drawn = new Map(); // section → its charts
const MARKS = [["circle", "●"], ["triangle", "▲"], ["rect", "■"], ["rectRot", "◆"]];
const COLOURED = 8; // more lines and colours than this cannot be told apart
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function offer(select, names) {
  const before = select.value;
  select.replaceChildren(...names.map((name) => element("option", name)));
  if (names.includes(before)) select.value = before;
  select.closest("label").hidden = names.length < 2;
  return Math.max(select.selectedIndex, 0);
}

// The columns of a section, with the cells that the filters leave, best first.
function columnsOf(section) {
  const choice = chosen();
  const wanted = (place) => {
    const cell = data.cells[place];
    const method = data.methods[cell.method];
    const text = `${method.name} ${method.label}`.trim();
    return cell.mean !== null && (choice.all || cell.chosen) && same(["loss", "backbone"], method, choice) && text.includes(choice.text);
  };
  return data.sections[section.dataset.section].columns
    .filter((column) => same(["metric", "feedback"], column, choice))
    .map((column) => ({ ...column, cells: column.cells.filter(wanted) }))
    .filter((column) => column.cells.length > 0);
}

const same = (names, owner, choice) => names.every((name) => !choice[name] || owner[name] === choice[name]);

function draw(section) {
  for (const chart of drawn.get(section) ?? []) chart.destroy();
  drawn.set(section, []);
  const part = section.querySelector(".charts");
  const columns = columnsOf(section);
  part.hidden = columns.length === 0;
  if (part.hidden) return;
  const column = columns[offer(part.querySelector(".of-column"), columns.map(({ feedback, name }) => `${feedback}: ${name}`))];
  const methods = column.cells.map((place) => data.cells[place].method);
  const looks = new Map(methods.slice(0, COLOURED).map((method, place) => {
    const [style, mark] = MARKS[place % MARKS.length];
    return [method, { colour: colour(`c${place + 1}`), style, mark }];
  }));
  legend(part.querySelector(".legend"), looks, methods.length);
  drawn.set(section, [scatter(part, column, looks), curves(part, column, looks, methods.length)]);
}

function legend(list, looks, count) {
  const items = [...looks].map(([place, look]) => {
    const method = data.methods[place];
    const item = document.createElement("li");
    const mark = element("span", look.mark, "mark");
    mark.style.color = look.colour;
    mark.ariaHidden = "true";
    const text = element("span", method.name, "");
    text.append(element("span", method.label, "settings"));
    item.append(mark, text);
    return item;
  });
  if (count > looks.size) items.push(element("li", `grey: ${count - looks.size} more methods; choose fewer with the filters above to see them in colour`, "dim"));
  list.replaceChildren(...items);
}

function options(titles, x, tooltip) {
  const axis = (text) => ({
    title: { display: true, text, color: colour("dim") },
    ticks: { color: colour("dim"), maxRotation: 0 },
    grid: { color: colour("line") },
    border: { color: colour("line") },
  });
  const xAxis = axis(titles.x);
  return {
    animation: false,
    maintainAspectRatio: false,
    font: { family: getComputedStyle(document.body).fontFamily },
    scales: { x: { ...xAxis, ...x, ticks: { ...xAxis.ticks, ...x.ticks } }, y: { ...axis(titles.y), grace: "5%" } },
    plugins: { legend: { display: false }, tooltip: { displayColors: false, callbacks: tooltip } },
  };
}

const settingLines = (method) => method.label.match(/.{1,60}(?:, |$)/g) ?? [method.label];

// The largest unit of time in which the longest training is at least 2.
function unitOf(seconds) {
  const longest = Math.max(...seconds);
  return [["h", 3600], ["min", 60]].find(([, length]) => longest >= 2 * length) ?? ["s", 1];
}

function scatter(part, column, looks) {
  const cells = column.cells.map((place) => data.cells[place]);
  const times = new Map(cells.map((cell) => [cell, mean(cell.runs.map((run) => data.runs[run].seconds))]));
  const [unit, length] = unitOf([...times.values()]);
  const points = cells.map((cell) => {
    const sd = cell.sd ?? 0;
    return { x: times.get(cell) / length, y: cell.mean, yMin: cell.mean - sd, yMax: cell.mean + sd, cell };
  });
  const group = (of, fill, look) => ({
    data: points.filter(of), backgroundColor: fill, borderColor: fill, errorBarColor: fill, errorBarWhiskerColor: fill, ...look,
  });
  const datasets = [...looks].map(([method, look]) =>
    group(({ cell }) => cell.method === method, look.colour, { pointStyle: look.style, radius: 6, hoverRadius: 8 }));
  datasets.push(group(({ cell }) => !looks.has(cell.method), colour("bar"), { radius: 3 }));
  const xs = points.map((point) => point.x);
  const wide = Math.min(...xs) > 0 && Math.max(...xs) / Math.min(...xs) > 10;
  const x = wide ? { type: "logarithmic", ticks: { callback: (value) => (Number.isInteger(+Math.log10(value).toFixed(9)) ? `${value}` : "") } } : { type: "linear", grace: "10%" };
  const tooltip = {
    title: ([item]) => data.methods[item.raw.cell.method].name,
    label: ({ raw: { cell } }) =>
      [...settingLines(data.methods[cell.method]), `${column.name} ${spread(cell, 4)}`, `training ${duration(times.get(cell))}`],
  };
  const canvas = part.querySelector(".scatter");
  canvas.ariaLabel = `Chart of ${column.metric} of ${column.feedback} against training time for ${cells.length} methods. ` +
    `The best is ${data.methods[cells[0].method].name} with ${spread(cells[0], 4)} after ${duration(times.get(cells[0]))}.`;
  const titles = {
    x: `training time (${unit}${wide ? ", logarithmic" : ""})`,
    y: `${column.metric}, ${column.feedback}${column.lower ? " (lower is better)" : ""}`,
  };
  return new Chart(canvas, { type: "scatterWithErrorBars", data: { datasets }, options: options(titles, x, tooltip) });
}

function curves(part, column, looks, count) {
  const runs = column.cells.flatMap((place) => {
    const { method, runs: places } = data.cells[place];
    const trained = data.methods[method].trained_on.join(", ");
    return places.map((run) => ({ ...data.runs[run], method, selection: `${data.runs[run].select}, trained on ${trained}` }));
  }).filter((run) => looks.has(run.method));
  const selections = [...new Set(runs.map((run) => run.selection))];
  const selection = selections[offer(part.querySelector(".of-selection"), selections)];
  const selected = runs.filter((run) => run.selection === selection);
  const trained = selected.filter((run) => run.curve[0].length > 1); // baselines have no epochs
  const shown = trained.length > 0 ? trained : selected;
  part.querySelector(".curves").closest("figure").hidden = trained.length === 0;
  const datasets = shown.map((run) => {
    const look = looks.get(run.method);
    return {
      run, data: run.curve[0].map((x, place) => ({ x, y: run.curve[1][place] })),
      borderColor: look.colour, backgroundColor: look.colour, borderWidth: 1.5, pointStyle: look.style, pointHitRadius: 6,
      pointRadius: run.curve[0].map((epoch) => (epoch === run.best_epoch ? 5 : 0)),
    };
  });
  const left = count - looks.size;
  part.querySelector(".left-out").textContent = left > 0 ? `Left out: ${left} further down the table; choose fewer methods with the filters above to see them.` : "";
  const canvas = part.querySelector(".curves");
  canvas.ariaLabel = `Chart of validation ${selection} by epoch for ${shown.length} runs. ` +
    "The epoch that was kept of each run, and its value, stand in the table of runs below.";
  const tooltip = {
    title: ([item]) => `${data.methods[item.dataset.run.method].name}, seed ${item.dataset.run.seed}`,
    label: ({ raw, dataset }) => [...settingLines(data.methods[dataset.run.method]), `epoch ${raw.x}: ${raw.y.toFixed(4)}`],
  };
  const titles = { x: "epoch", y: `validation ${shown[0].select}` };
  const x = { type: "linear", min: 1, ticks: { precision: 0 } };
  return new Chart(canvas, { type: "line", data: { datasets }, options: options(titles, x, tooltip) });
}
