"""Rows of the leaderboard arranged as tables: methods by metrics, one table per dataset and feedback."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from string import ascii_lowercase

from recbench.registry import BASELINE
from recbench.results.leaderboard_rows import Column, LeaderboardRow, Method
from recbench.results.number_words import mean_with_sd
from recbench.results.setting_choice import purpose

BOUND = "true probability (best attainable)"
BELOW = "↓"
SEPARATOR = ", "  # of the settings of a row
BRACKETS = (
    "the 95 % interval of the difference to the best, over users and seeds, not corrected for the number of methods "
    "as bold is"
)
BESIDE = ("settings", "interval", "time", "seeds")  # what may stand beside the metrics in tables for papers


@dataclass
class FeedbackTable:
    """All methods on one feedback of one dataset."""

    feedback: str
    columns: dict[Column, list[LeaderboardRow]] = field(default_factory=dict)  # best first
    methods: dict[Method, dict[Column, LeaderboardRow]] = field(default_factory=dict)
    bounds: dict[Column, float] = field(default_factory=dict)


@dataclass
class DatasetTables:
    """All tables of one version of a dataset."""

    dataset: str
    split: str
    fingerprint: str
    tables: dict[str, FeedbackTable] = field(default_factory=dict)  # by feedback
    letters: dict[str, str] = field(default_factory=dict)  # signature → letter, in all tables
    tested: dict[str, int] = field(default_factory=dict)  # loss and backbone → runs that have seen the test rows
    tried: dict[Method, int] = field(default_factory=dict)  # settings that each method has been run with
    selects: dict[Method, str] = field(default_factory=dict)  # validation metric that chose epochs and settings

    @property
    def place(self) -> tuple[str, str, str]:
        """Dataset, split and fingerprint."""
        return self.dataset, self.split, self.fingerprint

    @cached_property
    def shared_settings(self) -> str:
        """The settings that all trained methods have in common, "" where there are fewer than two of them."""
        trained = [method.settings.split(SEPARATOR) for method in self.tried if method.backbone != BASELINE]
        common = set.intersection(*map(set, trained)) - {""} if len(trained) > 1 else set()
        return SEPARATOR.join(word for word in (trained[0] if trained else []) if word in common)

    def own_settings(self, method: Method) -> str:
        """Return the settings of a method without those that all have, and of how many it is the best.

        Where methods were selected by several metrics, each says by which.
        """
        shared = () if method.backbone == BASELINE else self.shared_settings.split(SEPARATOR)
        own = method.settings.split(SEPARATOR)
        if len(set(self.selects.values())) > 1 and not any(word.startswith("select=") for word in own):
            own.append(f"select={self.selects[method]}")
        words = [word for word in own if word and word not in shared]
        tried = self.tried[method]
        return SEPARATOR.join(words) + (f"{' ' if words else ''}(best of {tried})" if tried > 1 else "")

    @property
    def runs(self) -> set[str]:
        """The digests of all runs in the tables."""
        rows = (row for table in self.tables.values() for cells in table.methods.values() for row in cells.values())
        return {digest for row in rows for digest in row.runs}

    def heading(self, column: Column) -> str:
        """Return a metric with the letter of its definition: "auc (a)"."""
        return f"{column.metric} ({self.letters[column.signature]})"

    def notes(self, table: FeedbackTable) -> list[str]:
        """Return what the marks in one table mean: bold first, "" where nothing is bold, then below a baseline."""
        bold = meaning_of_bold([row for rows in table.columns.values() for row in rows])
        beaten: dict[str, dict[str, None]] = {}
        for column, rows in table.columns.items():
            without_refit = {row.below for row in rows if not row.refit}
            for row in rows:
                if row.below:  # methods that learned from validation rows too may have another baseline to beat
                    of_refit = " (for refit=true)" if without_refit - {"", row.below} and row.refit else ""
                    beaten.setdefault(row.below + of_refit, {})[self.heading(column)] = None
        best = "; ".join(f"{baseline} in {', '.join(headings)}" for baseline, headings in beaten.items())
        return [f"bold: {bold}" if bold else "", f"{BELOW} worse than the best baseline: {best}" if best else ""]

    def selected_otherwise(self) -> str:
        """Return which metrics of the tables had no part in the selection, where all was selected by one metric."""
        select, *others = dict.fromkeys(self.selects.values())
        metrics = dict.fromkeys(column.metric for table in self.tables.values() for column in table.columns)
        otherwise = [metric for metric in metrics if purpose(metric) not in ("", purpose(select))]
        return "" if others or not otherwise else f"selected on validation by {select}, not by {', '.join(otherwise)}"

    def runs_tested(self) -> str:
        """Return how many runs of each method have seen the test rows: the more, the more were chosen by luck."""
        counts = (f"{name} {count}" for name, count in self.tested.items())
        return f"runs evaluated on these test rows: {', '.join(counts)}"


def arrange(rows: Sequence[LeaderboardRow]) -> list[DatasetTables]:
    """Return the rows of `collect_rows` by dataset and feedback, in their order."""
    datasets: dict[tuple[str, ...], DatasetTables] = {}
    for row in rows:
        column = row.column
        dataset = datasets.setdefault(column[:3], DatasetTables(*column[:3]))
        dataset.letters.setdefault(row.signature, _letter(len(dataset.letters)))
        dataset.tested[row.method.name] = row.tested
        dataset.tried[row.method] = max(dataset.tried.get(row.method, 1), row.settings_tried if row.chosen else 1)
        dataset.selects[row.method] = row.select
        table = dataset.tables.setdefault(row.feedback, FeedbackTable(row.feedback))
        table.columns.setdefault(column, []).append(row)
        table.methods.setdefault(row.method, {})[column] = row
        if row.bound is not None:
            table.bounds[column] = row.bound
    return list(datasets.values())


def meaning_of_bold(rows: Sequence[LeaderboardRow]) -> str:
    """Return what being marked as best means in these rows; "" if there is nothing to compare with."""
    rows = [row for row in rows if row.chosen]
    if len({row.run for row in rows if row.mean is not None}) < 2:
        return ""
    if not any(row.compared for row in rows):
        return "the best mean of a column; differences were not tested, because the scores of single users are not kept"
    left = len({row.run for row in rows if not row.compared and row.mean is not None})
    untested = f"; {left} whose scores of single users are not kept were not tested" if left else ""
    return (
        f"the best mean of a column, and those that a test over users and seeds does not tell apart from it{untested}"
    )


def titles(datasets: Sequence[DatasetTables]) -> Iterator[str]:
    """Yield a title for each; data prepared in more than one version are told apart."""
    names = [f"{dataset.dataset}/{dataset.split}" for dataset in datasets]
    for name, dataset in zip(names, datasets, strict=True):
        yield f"{name} (data {dataset.fingerprint[:12]})" if names.count(name) > 1 else name


def number_of_seeds(rows: Sequence[LeaderboardRow]) -> str:
    """Return how many runs the numbers of a method are means of: "3", or "3-5" where metrics differ."""
    counts = sorted(row.seeds for row in rows)
    return str(counts[0]) if counts[0] == counts[-1] else f"{counts[0]}-{counts[-1]}"


def with_most_seeds(cells: dict[Column, LeaderboardRow]) -> LeaderboardRow:
    """Return the row of a method that is the mean of most runs."""
    return max(cells.values(), key=lambda row: row.seeds)


def number(row: LeaderboardRow | None) -> str:
    """Return mean and standard deviation, marked if below a baseline; "-" where undefined or not measured."""
    if row is None or row.mean is None:
        return "-"
    return f"{f'{BELOW} ' if row.below else ''}{mean_with_sd(row.mean, row.sd)}"


def interval(row: LeaderboardRow | None) -> str:
    """Return the interval of the difference to the best, "[-0.0032, +0.0001]"; "" where it was not tested."""
    if row is None or row.to_best_low is None or row.to_best_high is None:
        return ""
    return f"[{row.to_best_low:+.4f}, {row.to_best_high:+.4f}]"


def _letter(position: int) -> str:
    return ascii_lowercase[position % 26] * (position // 26 + 1)
