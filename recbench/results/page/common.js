"use strict";
// What all scripts of the page share.

const objects = ({ fields, rows, values }) => rows.map((row) =>
  Object.fromEntries(fields.map((field, place) => [field, values[field] ? values[field][row[place]] : row[place]])));
const data = JSON.parse(document.getElementById("data").textContent);
for (const name of ["cells", "definitions", "methods", "runs"]) data[name] = objects(data[name]);
for (const method of data.methods) method.settings = Object.fromEntries(method.settings.map((place) => data.settings[place]));
for (const run of data.runs) run.curve = [data.epochs[run.epochs], run.curve];
for (const cell of data.cells) Object.assign(cell, data.definitions[cell.definition]);
const form = document.getElementById("filters");

const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const chosen = () => Object.fromEntries(new FormData(form));
const filterWords = () => new URLSearchParams(Object.entries(chosen()).filter(([, value]) => value)).toString();
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const spread = (cell, digits) =>
  cell.mean === null ? "undefined" : cell.mean.toFixed(digits) + (cell.sd === null ? "" : ` ± ${cell.sd.toFixed(digits)}`);
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}`;

function element(tag, text, className = "") {
  const node = document.createElement(tag);
  node.textContent = text;
  node.className = className;
  return node;
}

function link(text, target, className = "") {
  const node = element("a", text, className);
  node.href = target;
  return node;
}

function button(text, action, className = "link") {
  const node = element("button", text, className);
  node.type = "button";
  node.addEventListener("click", action);
  return node;
}

// A table of headings and rows, whose cells are nodes or text; [text, sort key] where text does not sort.
function tableOf(caption, headings, rows) {
  const table = document.createElement("table");
  table.append(element("caption", caption));
  const head = table.createTHead().insertRow();
  for (const heading of headings) {
    const cell = element("th", "");
    cell.scope = "col";
    cell.append(heading);
    head.append(cell);
  }
  const body = table.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const [place, content] of row.entries()) {
      const cell = element(place ? "td" : "th", "");
      if (!place) cell.scope = "row";
      const [shown, key] = Array.isArray(content) ? content : [content];
      cell.append(shown);
      if (key !== undefined) cell.dataset.sort = key;
      line.append(cell);
    }
  }
  return table;
}

const versionsOf = (run) => Object.entries(data.places[run.place].versions).map(([name, word]) => `${name} ${word}`).join(", ");
const commitOf = (run) => (data.places[run.place].commit || "installed from a package") + (data.places[run.place].dirty ? ", with uncommitted changes" : "");
const settingWords = (method, changed) => Object.entries(method.settings)
  .filter(([name]) => method.changed.includes(name) === changed).map(([name, value]) => `${name}=${value}`).join("  ");

function duration(seconds) {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}
