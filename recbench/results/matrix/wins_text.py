"""How often one method beats another, as text: for the terminal, Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Iterator

from recbench.results.leaderboard import markdown_row, markdown_text
from recbench.results.leaderboard_latex import escaped, latex_row, latex_table
from recbench.results.matrix.methods_by_datasets import Matrix
from recbench.results.matrix.pairwise_wins import PairwiseWins, Wins, pairwise_wins

MOST = 12  # methods of a table
TITLE = "how often the method of a row beats that of a column"
NOBODY = "how often one method beats another is counted from two datasets that both stand on; no two methods do"


def wins_words(wins: Wins | None) -> str:
    """Return wins of all comparisons, and those beyond chance: "5/7 (4)", "5/7 (2 of 3)" where not all were tested."""
    if wins is None:
        return ""
    if not wins.tested:
        return f"{wins.better}/{wins.of}"
    return f"{wins.better}/{wins.of} ({wins.sure}{f' of {wins.tested}' if wins.tested < wins.of else ''})"


def wins_rows(found: PairwiseWins) -> Iterator[tuple[str, list[str]]]:
    """Yield the number and name of each method, and its wins against each, MOST methods at most."""
    shown = found.methods[:MOST]
    for number, one in enumerate(shown, 1):
        yield f"{number} {one}", [wins_words(found.against.get((one, other))) for other in shown]


def wins_notes(found: PairwiseWins) -> Iterator[str]:
    """Yield what the counts mean."""
    yield "5/7: better in 5 of 7 comparisons on the same data; each kind of feedback of a dataset and split is one"
    if found.tested:
        yield "in brackets: in how many of them beyond chance, by a test of the two alone over users and seeds (5 %)"
        if any(0 < wins.tested < wins.of for wins in found.against.values()):
            yield "(2 of 3): only 3 were tested, because the scores of single users are not kept of all"
    else:
        yield "not tested, because the scores of single users are not kept"


def note_of_left(found: PairwiseWins) -> list[str]:
    """Return how many methods a table has of how many, nothing if all."""
    count = len(found.methods)
    has_all = "`recbench plot pairwise-wins --format csv` has all"
    return [f"the first {MOST} of {count} methods; {has_all}"] if count > MOST else []


def wins_markdown(matrix: Matrix) -> Iterator[str]:
    """Yield the lines of a table, or of a sentence that says why there is none."""
    found = pairwise_wins(matrix)
    if found is None:
        yield f"{NOBODY[0].upper()}{NOBODY[1:]}.\n"
        return
    rows = list(wins_rows(found))
    yield f"### {markdown_text(f'{matrix.metric}: {TITLE}')}\n"
    yield markdown_row(["", *(str(number) for number in range(1, len(rows) + 1))])
    yield markdown_row(["---", *["---:"] * len(rows)])
    for name, cells in rows:
        yield markdown_row([markdown_text(name), *cells])
    yield ""
    yield from (f"{markdown_text(note)}\n" for note in [*wins_notes(found), *note_of_left(found)])


def wins_latex(matrix: Matrix) -> Iterator[str]:
    """Yield the lines of a table, none where there is nothing to count."""
    found = pairwise_wins(matrix)
    if found is not None:
        rows = list(wins_rows(found))
        caption = escaped("; ".join([f"{matrix.metric}: {TITLE}", *wins_notes(found), *note_of_left(found)]))
        numbers = ["", *(str(number) for number in range(1, len(rows) + 1))]
        lines = (latex_row([escaped(name), *map(escaped, cells)]) for name, cells in rows)
        yield from latex_table(caption, "l" + "r" * len(rows), [numbers], lines)
