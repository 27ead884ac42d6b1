"use strict";
// All that is known of the runs of one method: `#run=DIGEST`, so that it can be linked to, and Back leads back.

const oneRun = document.getElementById("run");
let curveChart = null;
let scrolledTo = 0;

const cellsOf = (method) => data.cells.filter((cell) => cell.method === method);

function runView(digest) {
  const place = data.runs.findIndex((run) => digest && run.run.startsWith(digest));
  const cell = data.cells.find(({ runs }) => runs.includes(place));
  if (!cell) return [element("h1", "No such run"), element("p", `No run of this page begins with ${digest}.`)];
  const method = data.methods[cell.method];
  const cells = cellsOf(cell.method);
  const runs = [...new Set(cells.flatMap((each) => each.runs))].map((each) => data.runs[each]);
  const heading = element("h1", method.name);
  const where = element("p", "", "dim");
  where.append(link(method.data, `#s${method.section}`), ` data ${method.fingerprint.slice(0, 12)}, trained on ${method.trained_on.join(", ")}`);
  return [heading, where, ...numbers(cells), ...curve(runs), ...runTable(runs), ...facts(method, runs)];
}

function box(table) {
  const around = element("div", "", "scroll");
  around.tabIndex = 0;
  around.role = "region";
  around.ariaLabel = table.caption.textContent;
  around.append(table);
  return around;
}

function numbers(cells) {
  const rows = cells.map((cell) => [
    cell.metric, cell.feedback, spread(cell, 4),
    cell.values.map((value, place) => `${data.runs[cell.runs[place]].seed}: ${value === null ? "undefined" : value.toFixed(4)}`).join(", "),
    element("span", cell.signature, "settings"),
  ]);
  return [element("h2", "Numbers"), box(tableOf("Numbers of these runs", ["Metric", "Feedback", "Mean ± sd", "By seed", "Definition"], rows))];
}

function curve(runs) {
  if (runs.every((run) => run.curve[0].length < 2)) return [];
  const canvas = document.createElement("canvas");
  canvas.role = "img";
  canvas.ariaLabel = `Chart of validation ${runs[0].select} by epoch for ${runs.length} runs.`;
  const around = element("div", "", "canvas");
  around.append(canvas);
  setTimeout(() => { curveChart = bandChart(canvas, runs); });
  return [element("h2", `Validation by epoch: ${runs[0].select}`), around, element("p", runs.length > 1 ? "A line per seed, and mean ± sd over the epochs that all have; marks are the epochs kept." : "The mark is the epoch that was kept.", "dim remark")];
}

function bandChart(canvas, runs) {
  const ink = colour("c1");
  const values = runs.map(({ curve: [epochs, metrics] }) => new Map(epochs.map((epoch, place) => [epoch, metrics[place]])));
  const common = runs.length > 1 ? runs[0].curve[0].filter((epoch) => values.every((each) => each.has(epoch))) : [];
  const ends = [1, -1].map((sign) => common.map((epoch) => {
    const each = values.map((of) => of.get(epoch));
    const middle = mean(each);
    return { x: epoch, y: middle + sign * Math.sqrt(each.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (each.length - 1)) };
  }));
  const band = { pointRadius: 0, pointHitRadius: 0, borderWidth: 0, backgroundColor: `${ink}33` };
  const datasets = [
    { ...band, data: ends[0], fill: "+1" }, { ...band, data: ends[1] },
    ...runs.map((run) => ({
      run, data: run.curve[0].map((x, place) => ({ x, y: run.curve[1][place] })), borderColor: ink, backgroundColor: ink, borderWidth: 1,
      pointHitRadius: 6, pointRadius: run.curve[0].map((epoch) => (epoch === run.best_epoch ? 5 : 0)),
    })),
  ];
  const tooltip = { title: ([item]) => `seed ${item.dataset.run.seed}`, label: ({ raw }) => `epoch ${raw.x}: ${raw.y.toFixed(4)}` };
  const titles = { x: "epoch", y: `validation ${runs[0].select}` };
  return new Chart(canvas, { type: "line", data: { datasets }, options: options(titles, { type: "linear", min: 1, ticks: { precision: 0 } }, tooltip) });
}

function runTable(runs) {
  const rows = runs.map((run) => [
    element("code", run.run), run.seed, `${run.valid.toFixed(4)}`, `${run.best_epoch} of ${run.of_epochs}`, duration(run.seconds),
    `${run.memory.toLocaleString("en")} MiB`, data.places[run.place].device, `${run.finished.replace("T", " ")} UTC`,
  ]);
  const headings = ["Run", "Seed", "Validation", "Epoch kept", "Training", "Memory", "Device", "Finished"];
  return [element("h2", "Runs"), box(tableOf("Runs of this method", headings, rows))];
}

function facts(method, runs) {
  const list = element("dl", "", "facts");
  const add = (term, text, copied = false) => {
    if (!text) return;
    const value = element("dd", "", "code");
    value.append(text);
    if (copied) value.append(" ", button("copy", (event) => copyText(text, event.target)));
    list.append(element("dt", term), value);
  };
  for (const command of new Set(runs.map((run) => run.command))) add("command", command, true);
  add("link", `${location.href.split("#")[0]}#run=${runs[0].run}`, true);
  add("settings", settingWords(method, true));
  add("as default", settingWords(method, false));
  add("own files", Object.entries(method.sources).map(([name, value]) => `${name}=${value}`).join("  "));
  for (const commit of new Set(runs.map(commitOf))) add("commit", commit);
  for (const versions of new Set(runs.map(versionsOf))) add("versions", versions);
  add("notes", [...new Set(runs.flatMap((run) => run.notes))].join("; "));
  return [element("h2", "How to make them again"), list];
}

function showRun() {
  const digest = new URLSearchParams(location.hash.slice(1)).get("run");
  const open = document.body.classList.contains("one-run");
  if (digest === null && !open) return;
  curveChart?.destroy();
  curveChart = null;
  if (digest === null) {
    document.body.classList.remove("one-run");
    oneRun.hidden = true;
    if (!document.getElementById(location.hash.slice(1))) scrollTo(0, scrolledTo);
    return;
  }
  if (!open) scrolledTo = scrollY;
  const back = link("← All methods", `#${filterWords()}`);
  document.body.classList.add("one-run");
  oneRun.hidden = false;
  oneRun.replaceChildren(back, ...runView(digest));
  scrollTo(0, 0);
}
