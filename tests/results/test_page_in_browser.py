"""The page in a real browser: sorting, filters, provenance, charts, phone, dark, thousands of records."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from recbench.results.leaderboard_rows import collect_rows
from recbench.results.page.render import html
from recbench.results.page.server import Server
from recbench.results.store import Store
from tests.results.conftest import SETTINGS, auc, evaluation_of, key_of, record_of

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on the path")

HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"
ROWS = ".board table >> nth=0 >> tbody tr:visible th"

SCROLLED = """() => new Promise((done) => {
    addEventListener("scroll", () => requestAnimationFrame(done), { once: true });
    scrollBy(0, 1);
})"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium) -> Iterator[Callable[..., Any]]:
    """Open an address; fails if the page says anything on the console or asks for anything else."""
    said: list[str] = []
    contexts = []

    def open_tab(address: str, **options: Any) -> Any:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        base = address.partition("#")[0]
        allowed = {base, f"{base}version.json"}
        page.on("request", lambda request: request.url.partition("#")[0] in allowed or said.append(request.url))
        page.goto(address)
        return page

    yield open_tab
    for context in contexts:
        context.close()
    assert [line for line in said if not line.startswith("data:")] == []


@pytest.fixture
def results(store, add, make_value) -> Store:
    """Two datasets; a metric whose low values are good; two backbones."""
    for dataset in ("alpha", "beta"):
        for place, (loss, backbone) in enumerate(
            (("bce", "mf"), ("gnolr", "mf"), ("gnolr", "twintower"), ("jrc", "mf"))
        ):
            for seed in range(2):
                value = 0.6 + place / 100 + seed / 1000
                key = key_of(dataset=dataset, loss=loss, backbone=backbone, seed=seed)
                curve = [
                    {"epoch": e, "loss": 0.5, "metric": value - 0.1 / e, "seconds": e, "slots": e} for e in range(1, 6)
                ]
                record = record_of(key, curve=curve, best_epoch=4, seconds=10.0 * (place + 1), notes=[HOSTILE])
                store.write_record(record)
                store.add_evaluation(
                    key,
                    evaluation_of(
                        key,
                        auc(value, signature=f"auc; data={dataset}"),
                        auc(value - 0.1, signature=f"auc; data={dataset}", feedback="buy"),
                        auc(value / 2, metric="logloss", signature=f"logloss; better=lower; data={dataset}"),
                    ),
                )
    return store


@pytest.fixture
def file(results, tmp_path) -> str:
    path = tmp_path / "board.html"
    path.write_text(html(results, collect_rows(results)))
    return path.as_uri()


def methods(page: Any, selector: str = ROWS) -> list[str]:
    return [text.split("\n")[0].strip() for text in page.locator(selector).all_inner_texts()]


def test_headings_sort_by_mouse_and_by_enter(tab, file):
    page = tab(file)
    best_first = ["jrc × mf", "gnolr × twintower", "gnolr × mf", "bce × mf"]
    assert methods(page) == best_first
    auc_heading, logloss = (page.locator(".board table >> nth=0 >> thead th").nth(place) for place in (1, 2))
    auc_heading.click()
    assert (methods(page), auc_heading.get_attribute("aria-sort")) == (best_first, "descending")
    auc_heading.press("Enter")
    assert (methods(page), auc_heading.get_attribute("aria-sort")) == (best_first[::-1], "ascending")
    logloss.focus()
    page.keyboard.press("Enter")
    assert (methods(page), logloss.get_attribute("aria-sort")) == (best_first[::-1], "ascending")
    page.keyboard.press("Space")
    assert (methods(page), logloss.get_attribute("aria-sort")) == (best_first, "descending")
    assert auc_heading.get_attribute("aria-sort") is None
    page.locator(".board table >> nth=0 >> thead th").nth(0).click()
    assert methods(page) == sorted(best_first)


def test_filters(tab, file):
    page = tab(file)
    assert page.inner_text("#shown") == "16 lines"
    page.select_option("select[name=loss]", "gnolr")
    assert methods(page) == ["gnolr × twintower", "gnolr × mf"]
    page.select_option("select[name=backbone]", "mf")
    assert methods(page) == ["gnolr × mf"]
    assert page.inner_text("#shown") == "4 of 16 lines"
    page.select_option("select[name=dataset]", "beta")
    headings = page.locator("section.dataset:visible h2").all_text_contents()  # texts off the screen are not laid out
    assert headings[0].startswith("beta/random")
    page.select_option("select[name=feedback]", "buy")
    assert page.locator(".board:visible h3").all_text_contents() == ["buy"]
    page.reload()
    assert page.inner_text("#shown") == "1 of 16 lines"
    page.select_option("select[name=metric]", "logloss")  # which nothing has for buy
    assert page.is_visible("#nothing")
    page.click("#nothing button")
    page.get_by_text("16 lines", exact=True).wait_for()
    page.select_option("select[name=metric]", "logloss")
    assert page.locator(".board table >> nth=0 >> thead th:visible").all_inner_texts() == [
        "Loss × backbone", "logloss (b)", "Training", "Seeds",
    ]  # fmt: skip
    page.select_option("select[name=metric]", "")
    page.fill("input[name=text]", "twintower")
    assert methods(page) == ["gnolr × twintower"]


def test_a_number_says_where_it_comes_from(tab, file, results):
    page = tab(file)
    panel = page.locator("#details")
    assert not panel.is_visible()
    number = page.locator("[data-cell]").first
    number.hover()
    panel.wait_for(state="visible")
    told = panel.inner_text()
    record = next(record for record, _ in results.runs() if record.key.loss == "jrc" and record.key.dataset == "alpha")
    for words in (
        "jrc × mf: auc of click",
        "0.630500 ± 0.000707",
        "auc; data=alpha",
        "loss.scale=2",
        f"alpha/random@{record.key.fingerprint}",
        "python 3.11.2",
        "a processor",
        "c" * 40,
        "recbench train --dataset synthetic",
        "by seed",
        "0:\u00a00.6300, 1:\u00a00.6310",
        "40.0 s",
        "120 MiB",
        record.key.digest,
        HOSTILE,
    ):
        assert words in told
    page.mouse.move(5, 5)
    panel.wait_for(state="hidden")
    number.click()
    page.mouse.move(5, 5)
    page.wait_for_timeout(400)
    assert panel.is_visible() and number.get_attribute("aria-expanded") == "true"
    page.keyboard.press("Escape")
    assert not panel.is_visible()
    assert page.evaluate("window.hacked") is None


def test_the_keyboard_reaches_a_number(tab, file):
    page = tab(file)
    page.locator(".board table >> nth=0 >> thead th").last.focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "jrc × mf"  # a link to its runs
    page.keyboard.press("Tab")
    assert "jrc × mf: auc of click" in page.inner_text("#details")
    page.evaluate(SCROLLED)
    assert page.evaluate("document.activeElement.getAttribute('aria-describedby')") == "details"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Tab")
    assert "logloss of click" in page.inner_text("#details")
    box, inside = page.locator("#details").bounding_box(), page.evaluate("[innerWidth, innerHeight]")
    assert box["x"] >= 0 and box["y"] >= 0
    assert box["x"] + box["width"] <= inside[0] and box["y"] + box["height"] <= inside[1]


def test_charts_follow_the_filters(tab, file):
    page = tab(file)
    page.locator(".charts").first.scroll_into_view_if_needed()
    page.locator(".legend li").first.wait_for()
    scatter = page.locator("canvas.scatter").first
    assert "4 methods" in scatter.get_attribute("aria-label")
    assert "jrc × mf with 0.6305 ± 0.0007 after 40.0 s" in scatter.get_attribute("aria-label")
    assert page.locator(".legend").first.locator("li").count() == 4
    counts = (
        "[...drawn.values()][0].map((chart) => chart.data.datasets.reduce((sum, each) => sum + each.data.length, 0))"
    )
    assert page.evaluate(counts) == [4, 8 * 5]
    lines = "[...drawn.values()][0][1].data.datasets[0].data.map((point) => point.y)"
    assert page.evaluate(lines) == pytest.approx([0.63 - 0.1 / epoch for epoch in range(1, 6)], abs=5e-5)
    page.select_option("select.of-column >> nth=0", label="click: logloss (b)")
    assert "The best is bce × mf" in scatter.get_attribute("aria-label")
    page.select_option("select[name=loss]", "gnolr")
    assert page.evaluate(counts) == [2, 4 * 5]
    drawn = """(canvas) => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"""
    assert page.locator("canvas:visible").count() >= 2
    assert all(page.evaluate(drawn, canvas) for canvas in page.locator("canvas:visible").element_handles()[:2])


def test_a_phone_scrolls_tables_not_the_page(tab, file):
    page = tab(file, viewport={"width": 390, "height": 844}, has_touch=True)
    page.locator(".dataset").first.scroll_into_view_if_needed()
    page.locator(".legend li").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("all('.scroll').some((box) => box.scrollWidth > box.clientWidth)")
    page.locator("[data-cell]").first.tap()
    box = page.locator("#details").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["y"] + box["height"] <= 844
    page.locator("#details .close").tap()
    assert not page.locator("#details").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(tab, file, scheme):
    page = tab(file, color_scheme=scheme)
    colours = page.evaluate("['ground', 'raised', 'best', 'text', 'dim', 'accent'].map((name) => colour(name))")

    def luminance(word: str) -> float:
        word = word[1:] if len(word) == 7 else "".join(2 * letter for letter in word[1:])
        parts = [int(word[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for ground in colours[:3]:
        for text in colours[3:]:
            dark, light = sorted((luminance(ground), luminance(text)))
            assert (light + 0.05) / (dark + 0.05) >= 4.5  # WCAG 2, level AA
    assert (luminance(colours[0]) > 0.5) == (scheme == "light")


def test_hostile_names_do_nothing(tab, store, tmp_path):
    key = key_of(loss="<img src=x onerror='window.hacked = 3'>", feedback=(HOSTILE,), settings={"loss.word": HOSTILE})
    store.write_record(record_of(key, command=HOSTILE, select=HOSTILE, non_default={"loss.word": HOSTILE}))
    store.add_evaluation(key, evaluation_of(key, auc(0.5, metric=HOSTILE, feedback=HOSTILE, signature=HOSTILE)))
    path = tmp_path / "board.html"
    path.write_text(html(store, collect_rows(store)))
    page = tab(path.as_uri())
    page.locator(".legend li").first.wait_for()
    page.locator("[data-cell]").first.click()
    assert page.inner_text("#details").count(HOSTILE) >= 4
    page.select_option("select[name=feedback]", HOSTILE)
    page.reload()
    assert page.inner_text("#shown") == "1 line"
    assert page.evaluate("window.hacked") is None and page.locator("img").count() == 0


def test_the_served_page_takes_in_new_runs(tab, results, add, make_value):
    with Server(results, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            page = tab(server.url)
            page.select_option("select[name=dataset]", "alpha")
            heading = page.locator(".board table >> nth=0 >> thead th").nth(1)
            heading.click()
            heading.click()
            assert methods(page)[0] == "bce × mf"
            add(make_value(0.99, signature="auc; data=alpha"), dataset="alpha", loss="new")
            page.locator(ROWS, has_text="new × twintower").wait_for(timeout=15000)
            assert methods(page)[0] == "bce × mf" and methods(page)[-1] == "new × twintower"
            assert page.input_value("select[name=dataset]") == "alpha"
        finally:
            server.shutdown()
            thread.join()


def test_a_method_has_a_page_of_its_own_that_back_leaves(tab, file, results):
    page = tab(file)
    page.select_option("select[name=dataset]", "alpha")
    page.locator(".board th a", has_text="gnolr × twintower").first.click()
    record = next(
        record for record, _ in results.runs() if record.key.backbone == "twintower" and record.key.dataset == "alpha"
    )
    assert page.url.endswith(f"#run={record.key.digest}")
    assert not page.is_visible("main") and page.inner_text("#run h1") == "gnolr × twintower"
    told = page.inner_text("#run")
    for words in ("alpha/random", "0.6205 ± 0.0007", "auc; data=alpha", record.command, "c" * 40, record.key.digest):
        assert words in told
    assert page.locator("#run table").nth(1).locator("tbody tr").count() == 2  # its seeds
    lines = page.wait_for_function("curveChart && curveChart.data.datasets.map(({ data }) => data.map(({ y }) => y))")
    high, low, first, second = lines.json_value()
    means = [(a + b) / 2 for a, b in zip(first, second, strict=True)]
    assert [(a + b) / 2 for a, b in zip(high, low, strict=True)] == pytest.approx(means)
    half = abs(first[0] - second[0]) / 2**0.5  # the sample deviation of two values
    assert high[0] - means[0] == pytest.approx(half)
    page.go_back()
    assert page.is_visible("main") and not page.is_visible("#run")
    assert page.input_value("select[name=dataset]") == "alpha" and page.inner_text("#shown") == "8 of 16 lines"
    page.go_forward()
    page.wait_for_selector("#run h1")
    page.click("#run >> text=All methods")
    page.wait_for_selector("main")
    assert page.is_visible("main") and page.url.endswith("#dataset=alpha")


def test_a_link_to_a_run_opens_it_and_an_unknown_one_says_so(tab, file, results):
    record = next(record for record, _ in results.runs())
    page = tab(f"{file}#run={record.key.digest[:8]}")
    assert page.inner_text("#run h1") == record.key.method
    page.goto(f"{file}#run=nothing")
    page.get_by_text("No run of this page begins with nothing").wait_for()


def test_the_page_begins_with_what_is_best_and_how_sure(tab, results, tmp_path):
    rows = [
        replace(row, compared=True, best=row.loss != "bce", to_best_low=None if row.best else low, to_best_high=high)
        if (row.dataset, row.feedback, row.metric) == ("alpha", "click", "auc")
        else row
        for row in collect_rows(results)
        for low, high in [(row.mean - 0.6305 - 0.01, row.mean - 0.6305 + 0.01)]
    ]
    path = tmp_path / "board.html"
    path.write_text(html(results, rows))
    page = tab(path.as_uri())
    forest = page.locator(".forest")
    assert forest.locator("option").all_inner_texts()[0] == "alpha/random, click, auc"
    assert forest.locator(".in-words").inner_text() == (
        "jrc × mf has the best mean, 0.6305 ± 0.0007. A test over users and seeds does not tell it apart from "
        "gnolr × twintower, gnolr × mf. One other is worse beyond chance."
    )
    lines = [" ".join(line.split()) for line in forest.locator("tbody tr").all_inner_texts()]
    assert lines[0] == "1 jrc × mf 0.6305 ± 0.0007 best 40.0 s 2"
    assert lines[3] == "4 bce × mf 0.6005 ± 0.0007 worse −0.0400 to −0.0200 10.0 s 2"
    ends = "bars => bars.map(bar => [...'lmhb'].map(end => +bar.style.getPropertyValue(`--${end}`)))"
    drawn = forest.locator("i").evaluate_all(ends)
    (low, middle, high, best) = drawn[3]
    assert low < middle < high < best and (middle - low) == pytest.approx(high - middle, abs=0.2)
    assert drawn[0][1] == drawn[0][3] == best
    forest.locator("select").select_option("beta/random, buy, auc")
    assert "which a test needs, were not kept" in forest.locator(".in-words").inner_text()


def test_methods_by_datasets(tab, file):
    page = tab(file)
    table = page.locator(".by-dataset table")
    assert table.locator("thead th").count() == 2 + 4 and table.locator("tbody tr").count() == 4
    assert methods(page, ".by-dataset tbody th")[0] == "jrc × mf"
    first = table.locator("tbody tr").first.locator("[data-cell]").first
    assert first.inner_text().split() == ["0.6305", "1."]  # there is no baseline to differ from
    first.click()
    page.click("#details >> text=its line in the table")
    focused = page.evaluate("[document.activeElement.dataset.cell, !!document.activeElement.closest('.board')]")
    assert focused == [first.get_attribute("data-cell"), True]
    assert "too few to test" in page.inner_text(".by-dataset .words")
    wins = [" ".join(line.split()) for line in page.locator(".wins tbody tr").all_inner_texts()]
    assert wins[0] == "1 jrc × mf – 4/4 4/4 4/4" and wins[3] == "4 bce × mf 0/4 0/4 0/4 –"


def test_tables_are_copied_as_they_are_shown(tab, file):
    page = tab(file)
    page.select_option("select[name=loss]", "gnolr")
    markdown, latex = (
        page.evaluate(f"{form}Of(document.querySelector('.board table'))") for form in ("markdown", "latex")
    )
    assert markdown.splitlines()[0] == "| Loss × backbone | auc | logloss | Training | Seeds |"
    assert markdown.splitlines()[2].startswith("| gnolr × twintower | 0.6205 ± 0.0007 | 0.310")
    assert len(markdown.splitlines()) == 4
    assert r"gnolr $\times$ mf & 0.6105 $\pm$ 0.0007 & 0.305" in latex and latex.endswith(r"\end{tabular}")
    assert page.evaluate(r"asLatex('$5 & {50%} a_b#')") == r"\$5 \& \{50\%\} a\_b\#"
    page.evaluate("navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }")
    page.locator(".board [data-copy=markdown]").first.click()
    page.get_by_text("copied").first.wait_for()
    assert page.evaluate("window.copied") == markdown


def test_long_tables_begin_short(tab, store, add, make_value, tmp_path):
    for number in range(15):
        add(make_value(number / 100), loss=f"loss{number}")
    path = tmp_path / "board.html"
    path.write_text(html(store, collect_rows(store)))
    page = tab(path.as_uri())
    rows = page.locator(".board tbody tr:visible")
    assert rows.count() == 12
    assert page.inner_text(".board .more") == "Show all 15"
    page.click(".board .more")
    assert rows.count() == 15
    page.fill("input[name=text]", "loss1")
    assert rows.count() == 6 and not page.is_visible(".board .more")


def test_long_settings_leave_the_numbers_in_view(tab, store, add, make_value, tmp_path):
    own = {f"loss.of_a_long_name_{number}": 0.25 for number in range(12)}
    for refit, others in ((False, {}), (True, own)):
        given = {"train.refit": refit} | others
        add(make_value(0.7), settings=SETTINGS | given, non_default=given)
    path = tmp_path / "board.html"
    path.write_text(html(store, collect_rows(store)))
    page = tab(path.as_uri())
    assert "of_a_long_name_11" in page.inner_text(".forest")
    assert page.evaluate("all('.forest .scroll').every((box) => box.scrollWidth <= box.clientWidth)")


def test_a_phone_shows_cards(tab, file):
    page = tab(file, viewport={"width": 390, "height": 844}, has_touch=True)
    card = page.locator(".board tbody tr").first
    assert card.evaluate("(row) => getComputedStyle(row).display") == "block"
    assert card.locator("td").first.get_attribute("data-label") == "auc (a)"
    box = page.locator(".board table").first.bounding_box()
    assert box["width"] <= 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_two_thousand_records_are_usable(tab, store, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)
    curve = [{"epoch": e, "loss": 0.5, "metric": 0.7 - 0.1 / e, "seconds": e, "slots": e} for e in range(1, 21)]
    for number in range(2000):
        dataset, method, seed = number // 400, number % 400 // 4, number % 4
        loss, backbone = f"loss{method % 25}", f"backbone{method // 25}"
        key = key_of(dataset=f"data{dataset}", loss=loss, backbone=backbone, seed=seed)
        store.write_record(record_of(key, curve=curve, best_epoch=9, seconds=1.0 + method))
        value = 0.5 + method / 1000 + seed / 5000
        values = [auc(value, metric=metric, feedback=name) for metric in ("auc", "gauc") for name in ("click", "buy")]
        store.add_evaluation(key, evaluation_of(key, *values))
    path = tmp_path / "board.html"
    path.write_text(html(store, collect_rows(store)))
    assert path.stat().st_size < 3e6
    page = tab(Path(path).as_uri())
    page.locator(".charts").first.scroll_into_view_if_needed()
    page.locator(".legend li").first.wait_for()
    page.select_option("select[name=loss]", "loss3")
    assert page.inner_text("#shown") == "40 of 1000 lines"
