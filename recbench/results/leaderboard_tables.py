"""Rows of the leaderboard arranged as tables: methods by metrics, one table per dataset and feedback."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
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
SELECT, AND = "select=", "+"  # in the settings of a row: the metric that selected it, or several
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
    selects: dict[Method, dict[str, None]] = field(default_factory=dict)  # what chose epochs and settings on validation
    rising: dict[str, None] = field(default_factory=dict)  # loss and backbone of chosen runs that ended while rising

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

        Where methods were selected by several metrics, each says by which, or by which ones: see `selection`.
        """
        shared = () if method.backbone == BASELINE else self.shared_settings.split(SEPARATOR)
        own = method.settings.split(SEPARATOR)
        if len(self._selections) > 1 and not any(word.startswith(SELECT) for word in own):
            own.append(SELECT + AND.join(self.selects[method]))
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

    @property
    def remarks(self) -> list[str]:
        """What all tables have to be read with: what selected the runs, and which might have got further."""
        return list(filter(None, [self.selection(), self.provisional()]))

    def provisional(self) -> str:
        """Return which methods might reach more with more epochs, "" if none."""
        trained = {method.name for method in self.tried if method.backbone != BASELINE}
        names = "all trained methods" if 1 < len(trained) == len(self.rising) else ", ".join(self.rising)
        return f"provisional, as still rising when training ended: {names}" if names else ""

    def selection(self) -> str:
        """Return which metrics had no part in the selection, or what a line is of that several metrics selected."""
        several = [words for words in self._selections if AND in words]
        if several:
            return f"selected by {', '.join(several)}: each metric is of runs that one of its kind selected"
        select, *others = self._selections
        metrics = dict.fromkeys(column.metric for table in self.tables.values() for column in table.columns)
        otherwise = [metric for metric in metrics if purpose(metric) not in ("", purpose(select))]
        return "" if others or not otherwise else f"selected on validation by {select}, not by {', '.join(otherwise)}"

    @property
    def _selections(self) -> dict[str, None]:
        return dict.fromkeys(AND.join(selects) for selects in self.selects.values())

    def runs_tested(self) -> str:
        """Return how many runs of each method have seen the test rows: the more, the more were chosen by luck."""
        counts = (f"{name} {count}" for name, count in self.tested.items())
        return f"runs evaluated on these test rows: {', '.join(counts)}"


def arrange(rows: Sequence[LeaderboardRow]) -> list[DatasetTables]:
    """Return the rows of `collect_rows` by dataset and feedback, in their order."""
    datasets: dict[tuple[str, ...], DatasetTables] = {}
    joined = _joined(rows)
    for row in rows:
        column, method = row.column, row.method
        if row.chosen:
            method = joined.get((*column[:3], method), method)
        dataset = datasets.setdefault(column[:3], DatasetTables(*column[:3]))
        dataset.letters.setdefault(row.signature, _letter(len(dataset.letters)))
        dataset.tested[method.name] = row.tested
        dataset.tried[method] = max(dataset.tried.get(method, 1), row.settings_tried if row.chosen else 1)
        dataset.selects.setdefault(method, {})[row.select] = None
        if row.still_rising and row.chosen:
            dataset.rising[method.name] = None
        table = dataset.tables.setdefault(row.feedback, FeedbackTable(row.feedback))
        table.columns.setdefault(column, []).append(row)
        table.methods.setdefault(method, {})[column] = row
        if row.bound is not None:
            table.bounds[column] = row.bound
    return list(datasets.values())


def _joined(rows: Sequence[LeaderboardRow]) -> dict[tuple[str, str, str, Method], Method]:
    """Return dataset, split, fingerprint and method → the line of its chosen rows, where that is one for several.

    It is where each metric counts the runs that one of its kind selected, AUC those by AUC and recall those by recall.
    A setting that is not of all says of which it is.
    """
    families: dict[Hashable, dict[Method, list[LeaderboardRow]]] = {}
    for row in rows:
        if row.chosen:
            sampler = next((word for word in row.settings.split(SEPARATOR) if word.startswith("sampler")), "")
            family = (*row.column[:3], row.loss, row.backbone, tuple(row.trained_on), row.refit, sampler)
            families.setdefault(family, {}).setdefault(row.method, []).append(row)
    lines = {}
    for methods in families.values():
        columns = [row.column for of_method in methods.values() for row in of_method]
        selects = {of_method[0].select: method for method, of_method in methods.items()}
        if 1 < len(methods) == len(selects) and len(columns) == len(set(columns)):
            line = next(iter(methods))._replace(settings=_settings_by(selects))
            lines.update({(*columns[0][:3], method): line for method in methods})
    return lines


def _settings_by(selects: Mapping[str, Method]) -> str:
    """Return the settings of methods that these metrics selected: those of all, then "lr=0.1 by auc"."""
    words = {
        select: [word for word in method.settings.split(SEPARATOR) if word and not word.startswith(SELECT)]
        for select, method in selects.items()
    }
    common = [word for word in next(iter(words.values())) if all(word in of_one for of_one in words.values())]
    own = [f"{word} by {select}" for select, of_one in words.items() for word in of_one if word not in common]
    return SEPARATOR.join(common + own)


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
