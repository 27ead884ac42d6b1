"use strict";
// What all scripts of the page share.

const data = JSON.parse(document.getElementById("data").textContent);
const form = document.getElementById("filters");

const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const chosen = () => Object.fromEntries(new FormData(form));
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const spread = (cell, digits) =>
  cell.mean === null ? "undefined" : cell.mean.toFixed(digits) + (cell.sd === null ? "" : ` ± ${cell.sd.toFixed(digits)}`);

function element(tag, text, className = "") {
  const node = document.createElement(tag);
  node.textContent = text;
  node.className = className;
  return node;
}

function duration(seconds) {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}
