"""The leaderboard as a web page: what is in it, what it says of hostile names, and the server that keeps it fresh."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from recbench.errors import UsageError
from recbench.results.leaderboard_rows import collect_rows
from recbench.results.leaderboard_tables import arrange
from recbench.results.marks import with_shared_best
from recbench.results.number_words import duration
from recbench.results.page import render
from recbench.results.page.details import compact
from recbench.results.page.render import answers, html, intervals
from recbench.results.page.server import Server

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
HOSTILE_NAME = "<img src=x onerror='alert(3)'>&amp;\"{{ 7*7 }}"  # a name may hold no slash
VOID = {"meta", "link", "input", "br"}


@dataclass
class Node:
    tag: str
    attributes: dict[str, str | None]
    children: list[Node | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def all(self, tag: str, **wanted: str) -> list[Node]:
        found = []
        for child in self.children:
            if isinstance(child, Node):
                same = all((child.attributes.get(name.strip("_")) or "") == value for name, value in wanted.items())
                found += [child] * (child.tag == tag and same) + child.all(tag, **wanted)
        return found


class Tree(HTMLParser):
    """The page as nodes; fails for a tag that is not closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open = [Node("page", {})]
        self.feed(text)
        self.close()
        assert [node.tag for node in self.open] == ["page"]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, dict(attrs))
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parse(text: str) -> Node:
    return Tree(text).open[0]


def data_of(page: Node) -> dict:
    """Return what the page knows, each table of fields and rows as objects, as the scripts of the page read it."""
    (block,) = page.all("script", type="application/json")
    data = json.loads(block.text)
    for name in ("cells", "definitions", "methods", "runs"):
        fields, values = data[name]["fields"], data[name]["values"]
        data[name] = [
            {key: values[key][value] if key in values else value for key, value in zip(fields, row, strict=True)}
            for row in data[name]["rows"]
        ]
    for method in data["methods"]:
        method["settings"] = dict(data["settings"][place] for place in method["settings"])
    for cell in data["cells"]:
        cell |= data["definitions"][cell["definition"]]
    return data


def numbers(page: Node) -> list[Node]:
    return [button for button in page.all("button") if "data-cell" in button.attributes]


def boards(page: Node) -> list[Node]:
    return [board.all("table")[0] for board in page.all("div", class_="board")]


@pytest.fixture
def page(store, add, make_value) -> Node:
    for loss, value in (("bce", 0.6), ("gnolr", 0.7)):
        for seed in range(3):
            add(
                make_value(value + seed / 100, signature="auc; rows=test"),
                make_value(value + seed / 100 - 0.1, signature="auc; rows=test", feedback="buy"),
                make_value(0.7 - value, metric="logloss", signature="logloss; better=lower"),
                bound=(make_value(0.9, signature="auc; rows=test"),),
                loss=loss,
                seed=seed,
                settings={"loss.scale": value},
                non_default={"loss.scale": value},
            )
    return parse(html(store, collect_rows(store)))


def test_a_table_per_feedback_methods_by_metrics(page):
    click, buy = boards(page)
    assert [heading.text.strip() for heading in click.all("th", scope="col")] == [
        "Loss × backbone",
        "auc (a)",
        "logloss (b)",
        "Training",
        "Seeds",
    ]
    rows = click.all("tbody")[0].all("tr")
    assert [row.all("th")[0].text.split() for row in rows] == [
        ["gnolr", "×", "twintower", "scale=0.7"],
        ["bce", "×", "twintower", "scale=0.6"],
    ]
    cells = [" ".join(cell.text.split()) for cell in rows[0].all("td")]
    assert cells == ["0.7100 ± 0.0100 (best)", "0.0000 ± 0.0000 (best)", "1.5 s", "3"]
    assert [cell.text for cell in click.all("tfoot")[0].all("td")] == ["0.9000", "", "", ""]
    assert [len(row.all("td")) for row in buy.all("tbody")[0].all("tr")] == [3, 3]
    assert not buy.all("tfoot")


def test_a_screen_reader_finds_its_way(page):
    for table in page.all("table"):
        assert table.all("caption")[0].text.strip()
        assert {heading.attributes["scope"] for heading in table.all("th")} <= {"row", "col"}
        widths = {len(row.all("td")) + len(row.all("th")) for row in table.all("tr")}
        assert len(widths) == 1
    identifiers = [
        node.attributes["id"]
        for tag in ("section", "h2", "h3", "main", "div")
        for node in page.all(tag)
        if node.attributes.get("id")
    ]
    assert len(identifiers) == len(set(identifiers))
    for box in page.all("div", class_="scroll"):
        assert box.attributes["tabindex"] == "0" and box.attributes["role"] == "region"
        assert "aria-label" in box.attributes or box.attributes["aria-labelledby"] in identifiers
    assert all(canvas.attributes["role"] == "img" for canvas in page.all("canvas"))
    assert all(label.all("select") or label.all("input") for label in page.all("label"))
    assert page.all("html")[0].attributes["lang"] == "en"


def test_every_number_names_where_it_comes_from(page, store):
    data = data_of(page)
    buttons = numbers(page)
    assert len(data["cells"]) == 6 and len(buttons) == 6 + len(answers(arrange(collect_rows(store)))) == 8
    for button in buttons:
        cell = data["cells"][int(button.attributes["data-cell"])]
        assert button.text.startswith(f"{cell['mean']:.4f}")
        method = data["methods"][cell["method"]]
        assert method["settings"]["loss.scale"] == {"bce": 0.6, "gnolr": 0.7}[method["loss"]]
        assert cell["signature"].startswith(cell["metric"])
        trained = [data["runs"][place] for place in cell["runs"]]
        assert cell["mean"] == pytest.approx(sum(cell["values"]) / len(trained))
        assert [one["seed"] for one in trained] == [0, 1, 2]
        for one in trained:
            record = store.find(one["run"])
            place = data["places"][one["place"]]
            assert (one["command"], place["commit"], place["device"]) == (
                record.command, record.commit, record.device_name,
            )  # fmt: skip
            assert (one["seconds"], one["memory"]) == (record.seconds, record.peak_memory_mib)
            assert place["versions"] == dict(record.versions)
            assert (data["epochs"][one["epochs"]], one["curve"]) == ([1], [0.7])


def test_what_many_objects_share_is_written_once():
    one, two = {"name": "a", "notes": ["x"]}, {"name": "b", "notes": ["x"]}
    assert compact([one, two, {"name": "c", "notes": []}], shared=["notes"]) == {
        "fields": ["name", "notes"],
        "rows": [["a", 0], ["b", 0], ["c", 1]],
        "values": {"notes": [["x"], []]},
    }


def test_different_signatures_never_share_a_column(store, add, make_value):
    add(make_value(0.5), make_value(0.9, signature="other"), loss="bce")
    add(make_value(0.6), loss="bpr")
    page = parse(html(store, collect_rows(store)))
    (table,) = boards(page)
    assert [h.text for h in table.all("th", scope="col")][1:3] == ["auc (a)", "auc (b)"]
    found = {
        row.all("th")[0].text: [cell.text.split()[0] for cell in row.all("td")[:2]]
        for row in table.all("tbody")[0].all("tr")
    }
    assert found == {"bpr × twintower": ["0.6000", "–"], "bce × twintower": ["0.5000", "0.9000"]}
    notes = page.all("details", class_="notes")[0]
    assert [note.text for note in notes.all("dd")] == ["auc|ties:half", "other"]
    assert [column["cells"] for column in data_of(page)["sections"][0]["columns"]] == [[0, 1], [2]]


def test_numbers_on_other_data_stand_in_other_sections(store, add, make_value):
    add(make_value(0.5))
    add(make_value(0.6), fingerprint="e" * 16)
    page = parse(html(store, collect_rows(store)))
    headings = [" ".join(heading.text.split()) for heading in page.all("h2")]
    assert headings == ["synthetic/random data eeeeeeeeeeee", "synthetic/random data ffffffffffff"]


def test_undefined_values_sort_last_and_are_never_best(store, add, make_value):
    add(make_value(None), loss="bce")
    add(make_value(1e-7), loss="bpr")
    page = parse(html(store, collect_rows(store)))
    (table,) = boards(page)
    bpr, bce = (row.all("td")[0] for row in table.all("tbody")[0].all("tr"))
    assert bce.text == "–" and "class" not in bce.attributes
    assert bpr.attributes["class"] == "best"
    assert [cell["mean"] for cell in data_of(page)["cells"]] == [1e-7, None]


def test_intervals_by_hand(store, add, make_value):
    for seed, value in enumerate((0.4, 0.6)):  # mean 0.5, sd √0.02 = 0.1414
        add(make_value(value), loss="bce", seed=seed)
    add(make_value(0.7), loss="bpr")
    rows = collect_rows(store)
    drawn = {method.loss: interval for method, interval in intervals(rows).items()}
    low = 0.5 - 0.02**0.5
    span = 0.7 - low
    interval = drawn["bce"]
    assert (interval.low, interval.mean) == pytest.approx((0, 100 * (0.5 - low) / span))
    assert interval.high == pytest.approx(100 * 2 * 0.02**0.5 / span)
    best = drawn["bpr"]
    assert (best.low, best.mean, best.high) == pytest.approx((100, 100, 100))


def test_hostile_names_come_out_as_text(store, make_key, make_record, make_evaluation, make_value):
    settings = {"loss.word": HOSTILE}
    key = make_key(dataset=HOSTILE_NAME, loss="<b>x", backbone="y'\"", feedback=(HOSTILE,), settings=settings)
    changes = {
        "command": HOSTILE,
        "notes": [HOSTILE],
        "device_name": HOSTILE,
        "select": HOSTILE,
        "versions": {HOSTILE: HOSTILE},
    }
    store.write_record(make_record(key, non_default=settings, **changes))
    value = make_value(0.5, metric=HOSTILE, feedback=HOSTILE, signature=HOSTILE)
    store.add_evaluation(key, make_evaluation(key, value, bound=[value]))
    text = html(store, collect_rows(store))
    page = parse(text)
    assert len(page.all("script")) == 1 + len(render.SCRIPTS)
    assert not page.all("img") and not page.all("b")
    assert page.all("h2")[0].text.startswith(f"{HOSTILE_NAME}/random")
    assert page.all("h3")[0].text == HOSTILE
    assert f"word={HOSTILE}" in boards(page)[0].all("th", scope="row")[0].text
    assert page.all("section")[0].attributes["data-dataset"] == HOSTILE_NAME
    assert [option.text for option in page.all("option")].count(HOSTILE) == 2  # as a metric and as a feedback
    data = data_of(page)
    (found,) = data["runs"]
    (place,) = data["places"]
    assert (found["command"], found["notes"], place["device"]) == (HOSTILE, [HOSTILE], HOSTILE)
    assert place["versions"] == {HOSTILE: HOSTILE}
    assert data["methods"][0]["settings"] == settings
    raw = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert raw is not None and "<" not in raw[1]


def test_nothing_comes_from_elsewhere(page):
    assert all(script.attributes.keys() <= {"type", "id"} for script in page.all("script"))
    assert [link.attributes["href"] for link in page.all("link")] == ["data:,"]
    assert not page.all("iframe") and not page.all("object")
    (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    words = dict(part.strip().split(" ", 1) for part in str(policy.attributes["content"]).split(";"))
    assert words["default-src"] == words["connect-src"] == "'none'"
    hashes = {
        f"'sha256-{b64encode(sha256(s.text.encode()).digest()).decode()}'"
        for s in page.all("script")
        if not s.attributes
    }
    assert set(words["script-src"].split()) == hashes
    assert "url(" not in page.all("style")[0].text and "@import" not in page.all("style")[0].text


def test_what_is_not_ours_has_its_licence_and_is_small():
    folders = [folder for folder in (render.FOLDER / "vendor").iterdir() if folder.is_dir()]
    assert len(folders) == 3
    for folder in folders:
        (licence,) = (path for path in folder.iterdir() if path.stem in ("LICENSE", "LICENCE"))
        assert "Permission is hereby granted, free of charge" in licence.read_text()
    assert sum((render.FOLDER / name).stat().st_size for name in render.SCRIPTS) < 300_000


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.04, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 00 min"),
        (12000, "3 h 20 min"),
    ],
)
def test_durations(seconds, said):
    assert duration(seconds) == said


def test_known_differences_are_said(store, add, make_value):
    add(
        make_value(0.7, feedback="like"),
        dataset="ml-1m",
        split="random",
        feedback=("view", "like"),
        loss="bce",
        settings={"loss.logit": "bare"},  # as in the paper
    )
    page = parse(html(store, collect_rows(store)))
    (part,) = page.all("div", class_="beside")
    assert "Protocols may still differ" in part.text
    reasons = [item.text for item in part.all("ol")[0].all("li")]
    assert "measured on ml-1m/random; the paper's data are ml-1m/user" in reasons
    assert "trained here on view, like, in the paper on like" in reasons
    assert part.all("tbody")[0].all("td")[-1].text.strip() == "1, 2"
    assert [row.all("th")[0].text.split()[0] for row in part.all("tbody")[0].all("tr")] == ["BCE"]
    (button,) = numbers(part)
    assert data_of(page)["cells"][int(str(button.attributes["data-cell"]))]["mean"] == 0.7
    assert "https://arxiv.org/abs/2505.20900" in [link.attributes["href"] for link in part.all("a")]


def test_the_served_page_changes_with_runs_and_with_what_is_hidden(store, add, make_value):
    with Server(store, 0) as server:
        empty = server.version()
        key = add(make_value(0.7))
        versions = [empty, server.version()]
        with store.changing_labels() as labels:
            labels.hide([key.digest])
        versions.append(server.version())
        assert len(set(versions)) == 3 and server.version() == versions[-1]
        assert key.digest not in server.page()


def test_runs_that_are_deleted_meanwhile_are_left_out(store, add, make_value):
    keys = [add(make_value(0.7), loss=loss) for loss in ("bce", "gnolr")]
    rows = collect_rows(store)
    store.delete(store.record(keys[0]))
    left = with_shared_best(rows, store)
    assert [row.compared for row in left] == [False, False]
    text = html(store, left)
    assert keys[1].digest in text and keys[0].digest not in text
    store.delete(store.record(keys[1]))
    with pytest.raises(UsageError, match="no finished runs"):
        html(store, rows)
