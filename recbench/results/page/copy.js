"use strict";
// Tables as Markdown or LaTeX, as they are shown: filtered and sorted.

const ESCAPES = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "×": "$\\times$", "±": "$\\pm$", "↓": "$\\downarrow$", "▲": "$\\uparrow$", "▼": "$\\downarrow$", "△": "$\\triangle$", "▽": "$\\bigtriangledown$", "−": "$-$", "–": "--", "<": "$<$", ">": "$>$", ...Object.fromEntries([..."&%$#_{}"].map((letter) => [letter, `\\${letter}`])) };
const asLatex = (text) => Array.from(text, (letter) => ESCAPES[letter] ?? letter).join("");
const asMarkdown = (text) => text.replace(/[\\|*_`[\]<]/g, "\\$&");

function linesOf(table) {
  const words = (cell) => {
    const copy = cell.cloneNode(true);
    for (const node of all(".hidden, .letter, button.link", copy)) node.remove();
    for (const node of all(".settings", copy)) node.textContent = node.textContent && ` ${node.textContent}`;
    const text = copy.textContent.replace(/\s+/g, " ").trim();
    return cell.classList.contains("best") ? { text, bold: true } : { text };
  };
  const shown = (cells) => [...cells].filter((cell) => !cell.hidden).map(words);
  const body = [...table.tBodies[0].rows].filter((row) => !row.hidden);
  return [shown(table.tHead.rows[0].cells), ...body.map((row) => shown(row.cells))];
}

function markdownOf(table) {
  const row = (cells) => `| ${cells.join(" | ")} |`;
  const [head, ...body] = linesOf(table).map((cells) => cells.map(({ text, bold }) => (bold ? `**${asMarkdown(text)}**` : asMarkdown(text))));
  return [row(head), row(head.map((_, place) => (place ? "---:" : "---"))), ...body.map(row)].join("\n");
}

function latexOf(table) {
  const row = (cells) => `${cells.join(" & ")} \\\\`;
  const [head, ...body] = linesOf(table).map((cells) => cells.map(({ text, bold }) => (bold ? `\\textbf{${asLatex(text)}}` : asLatex(text))));
  return ["% \\usepackage{booktabs}", `\\begin{tabular}{l${"r".repeat(head.length - 1)}}`, "\\toprule", row(head), "\\midrule", ...body.map(row), "\\bottomrule", "\\end{tabular}"].join("\n");
}

async function copyText(text, pressed) {
  const before = pressed.dataset.says ?? pressed.textContent;
  pressed.dataset.says = before;
  try {
    await navigator.clipboard.writeText(text);
    pressed.textContent = "copied";
  } catch {
    const area = element("textarea", text);
    document.body.append(area);
    area.select();
    pressed.textContent = document.execCommand("copy") ? "copied" : "not allowed to copy";
    area.remove();
  }
  setTimeout(() => { pressed.textContent = before; }, 1500);
}

document.addEventListener("click", (event) => {
  const form = event.target.dataset?.copy;
  if (!form) return;
  const table = event.target.closest(".board, .by-dataset, .pairwise").querySelector("table");
  copyText(form === "latex" ? latexOf(table) : markdownOf(table), event.target);
});
