"use strict";
// The panel that says where a number comes from.

(() => {
  const panel = document.getElementById("details");
  let shownFor = null;
  let pinned = false;
  let timer = 0;

  const bySeed = (seed, value) => `${seed}:\u00a0${value === null ? "undefined" : value.toFixed(4)}`;

  function fill(place) {
    const cell = data.cells[place];
    const method = data.methods[cell.method];
    const runs = cell.runs.map((run) => data.runs[run]);
    const each = (say) => [...new Set(runs.map(say))].join("; ");
    const list = document.createElement("dl");
    const add = (term, text, className) => {
      if (text) list.append(element("dt", term), element("dd", text, className));
    };
    const span = (say, values) => (values.length > 1 ? `${say(mean(values))} on average, ${say(Math.max(...values))} at most` : say(values[0]));
    add("best baseline", beside.get(place));
    add("definition", cell.signature);
    add("settings", settingWords(method, true), "code");
    add(method.changed.length ? "as default" : "settings", settingWords(method, false), "code");
    add("own files", Object.entries(method.sources).map(([name, value]) => `${name}=${value}`).join("  "), "code");
    add("trained on", method.trained_on.join(", "));
    add(runs.length > 1 ? "by seed" : "seed", runs.map((run, place) => bySeed(run.seed, cell.values[place])).join(", "));
    add("runs", runs.map((run) => run.run).join(" "), "code");
    add("data", `${method.data}@${method.fingerprint}`, "code");
    add("training", span(duration, runs.map((run) => run.seconds)));
    add("memory", span((value) => `${Math.round(value).toLocaleString("en")} MiB`, runs.map((run) => run.memory)));
    add("device", each((run) => data.places[run.place].device));
    add("commit", each(commitOf), "code");
    add("versions", each(versionsOf));
    add("command", each((run) => run.command), "code");
    add("finished", runs.map((run) => run.finished).sort().at(-1).replace("T", " ") + " UTC");
    add("notes", [...new Set(runs.flatMap((run) => run.notes))].join("; "));
    const ways = element("p", "");
    ways.append(link("its runs, curve and command", `#run=${runs[0].run}`), " · ", button("its line in the table", () => goTo(place)));
    panel.querySelector(".content").replaceChildren(
      element("h4", `${method.name}: ${cell.metric} of ${cell.feedback}`), element("p", spread(cell, 6), "figure"), ways, list,
    );
  }

  function goTo(place) {
    const number = document.querySelector(`.board [data-cell="${place}"]`);
    hide();
    number.closest(".board").classList.add("whole");
    number.closest("tr").scrollIntoView({ block: "center" });
    number.focus({ preventScroll: true, focusVisible: true });
  }

  function show(button) {
    clearTimeout(timer);
    if (shownFor === button) return;
    hide();
    shownFor = button;
    fill(+button.dataset.cell);
    button.setAttribute("aria-expanded", "true");
    button.setAttribute("aria-describedby", "details");
    panel.showPopover();
    panel.scrollTop = 0;
    place(button);
  }

  function place(button) {
    const box = button.getBoundingClientRect();
    const below = box.bottom + 8 + panel.offsetHeight < innerHeight;
    const above = box.top - 8 - panel.offsetHeight;
    panel.style.top = `${below ? box.bottom + 8 : Math.max(above, 8)}px`;
    const left = below || above >= 0 ? box.right - panel.offsetWidth : box.left - panel.offsetWidth - 8;
    panel.style.left = `${Math.min(Math.max(left, 8), innerWidth - panel.offsetWidth - 8)}px`;
  }

  function hide() {
    clearTimeout(timer);
    if (shownFor === null) return;
    shownFor.removeAttribute("aria-expanded");
    shownFor.removeAttribute("aria-describedby");
    shownFor = null;
    pinned = false;
    panel.hidePopover();
  }

  const later = (action, wait) => { clearTimeout(timer); timer = setTimeout(action, wait); };
  const numberOf = (event) => event.target.closest?.("[data-cell]") ?? null;
  document.addEventListener("pointerover", (event) => {
    if (event.pointerType !== "mouse") return;
    const button = numberOf(event);
    if (pinned) return;
    if (button) later(() => show(button), 200);
    else if (panel.contains(event.target)) clearTimeout(timer);
    else if (document.activeElement !== shownFor) later(hide, 250);
  });
  document.addEventListener("focusin", (event) => {
    const button = numberOf(event);
    if (button && button.matches(":focus-visible")) show(button);
    else if (!pinned && !panel.contains(event.target)) hide();
  });
  document.addEventListener("click", (event) => {
    const button = numberOf(event);
    if (button) {
      const again = shownFor === button && pinned;
      show(button);
      pinned = true;
      if (again) hide();
    } else if (!panel.contains(event.target) || event.target.closest(".close, a")) hide();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const button = shownFor;
    hide();
    button?.focus({ focusVisible: false });
  });
  document.addEventListener("scroll", (event) => {
    if (panel.contains(event.target) || pinned || shownFor === null) return;
    if (document.activeElement === shownFor) place(shownFor); // the browser scrolls to what Tab has reached
    else hide();
  }, true);
})();
