"""Runs: train them, find them, evaluate them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, overload

import polars as pl

from recbench.api.arguments import (
    console_of,
    names_of,
    options,
    own_store,
)
from recbench.api.own_classes import require_unchanged
from recbench.api.public import public
from recbench.api.table import Table
from recbench.errors import UsageError
from recbench.inspect.evaluation_tables import evaluations_json, evaluations_table
from recbench.results.record import RunRecord
from recbench.run.baselines_beside import add_baseline_rows
from recbench.run.encode import encode
from recbench.run.eval_command import EvalRequest, evaluate_all
from recbench.run.export import export_run, vectors_of
from recbench.run.invocation import Invocation
from recbench.run.kept_predictions import SCORES, read_scores
from recbench.run.raw_ids import read_frame
from recbench.terminal import print_line

EVALUATION = {
    **dict.fromkeys(("dataset", "split", "loss", "backbone"), pl.String()),
    "seed": pl.Int64(),
    **dict.fromkeys(("metric", "feedback"), pl.String()),
    **dict.fromkeys(("value", "bound"), pl.Float64()),
    "counted": pl.Int64(),
    **dict.fromkeys(("signature", "run"), pl.String()),
}


@dataclass(frozen=True)
class Runs(Sequence[RunRecord]):
    """Finished runs, each with its record; runs of one method that differ in their seed are evaluated together."""

    records: tuple[RunRecord, ...]

    @overload
    def __getitem__(self, index: int) -> RunRecord: ...

    @overload
    def __getitem__(self, index: slice) -> Runs: ...

    def __getitem__(self, index: int | slice) -> RunRecord | Runs:
        if isinstance(index, slice):
            return Runs(self.records[index])
        try:
            return self.records[index]
        except IndexError:
            raise IndexError(f"runs[{index}]: there are {len(self)}, counted from 0") from None

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[RunRecord]:
        return iter(self.records)

    @property
    def curve(self) -> pl.DataFrame:
        """One row per validated epoch: run, seed, epoch, training loss, selection metric on validation, seconds."""
        return pl.DataFrame(
            [
                {"run": record.key.digest, "seed": record.key.seed, **epoch}
                for record in self.records
                for epoch in record.curve
            ]
        )

    @property
    def scores(self) -> pl.DataFrame:
        """One row per run and test row, as `evaluate` kept them: user, item, and the score of each kind of feedback.

        The rows are those of `data.rows("test")`. Raises UsageError if a run has not been evaluated.
        """
        store = own_store()
        for record in self.records:
            if not store.folder(record.key).joinpath(SCORES).exists():
                raise UsageError(f"{record.key.digest}: no scores yet; evaluate it first, as in runs.evaluate('auc')")
        frames = [
            pl.DataFrame(pl.from_arrow(read_scores(store.folder(record.key) / SCORES))).select(
                pl.lit(record.key.digest).alias("run"), pl.all()
            )
            for record in self.records
        ]
        return pl.concat(frames, how="diagonal")

    @public
    def vectors(self, side: Literal["user", "item"]) -> pl.DataFrame:
        """Return the trained vectors of all users or items with their raw ids, as in the files of an export.

        The inner product of `query_<feedback>` of a user and `vector` of an item ranks as `eval` does; `encode` is for
        those that training did not see. Raises UsageError unless this is one run whose scores are inner products.

            runs[:1].vectors("item")["vector"].to_numpy()
        """
        return vectors_of(self._only("vectors"), own_store(), side)

    def to_polars(self) -> pl.DataFrame:
        """One row per run: what was trained, its best epoch and validation metric, and what it cost."""
        return pl.DataFrame(
            [
                {
                    "run": record.key.digest,
                    "data": record.key.data,
                    "loss": record.key.loss,
                    "backbone": record.key.backbone,
                    "seed": record.key.seed,
                    "selected_by": record.select,
                    "valid": record.valid,
                    "best_epoch": record.best_epoch,
                    "epochs": record.epochs,
                    "seconds": record.seconds,
                    "parameters": record.parameters,
                }
                for record in self.records
            ]
        )

    @public
    def evaluate(
        self,
        metrics: str | Sequence[str] = (),
        *,
        candidates: str = "catalogue",
        index: str = "flat",
        keep_seen: bool = False,
        dialect: str | None = None,
        baselines: bool = False,
        device: str = "auto",
        quiet: bool = False,
    ) -> Evaluations:
        """Open the test rows, compute metrics such as "auc" or "recall@50/buy", keep and return them; `recbench eval`.

        With `baselines`, rows of baselines are put on the leaderboard beside them.
        Raises UsageError for a metric that does not exist or that these runs cannot have.

            runs.evaluate(["auc", "recall@20"], baselines=True).to_polars()
        """
        request = EvalRequest(
            metrics=names_of(metrics), candidates=candidates, index=index, keep_seen=keep_seen, dialect=dialect
        )
        require_unchanged(self)
        store, console = own_store(), console_of(quiet)
        evaluated = evaluate_all(self.records, request, store, console, device)
        if baselines and index == "flat":
            more = {"candidates": candidates if candidates != "catalogue" else None, "keep_seen": keep_seen}
            named = options(run=[record.key.digest for record in self], metric=request.metrics, dialect=dialect, **more)
            command = shlex.join(["recbench", "eval", *named])
            add_baseline_rows(evaluated, request, Invocation(store, console, command))
        return Evaluations(pl.DataFrame(evaluations_json(evaluated), schema=EVALUATION), evaluations_table(evaluated))

    @public
    def encode(
        self,
        rows: pl.DataFrame | Mapping[str, Sequence[Any]] | str | Path,
        *,
        side: Literal["user", "item"] | None = None,
        quiet: bool = False,
    ) -> pl.DataFrame:
        """Return the vectors of new users or items, as in the files of an export; `recbench encode`.

        `rows` is a data frame, a dictionary of columns, a CSV or a Parquet file. It has the raw columns of users or
        items, a row for each, for backbones that encode features; or columns `user` and `item`, what each new user had,
        the oldest first, for backbones that read that. Raises UsageError for other backbones, and unless this is one
        run.

            runs[:1].encode("new_items.parquet")
        """
        record = self._only("encode")
        path = Path(rows).expanduser() if isinstance(rows, str | Path) else Path("rows")
        frame = read_frame(path) if isinstance(rows, str | Path) else pl.DataFrame(rows)
        encoded = encode(record, own_store(), frame, side, path)
        for note in encoded.notes:
            print_line(console_of(quiet), f"note: {note}")
        return encoded.frame

    @public
    def export(
        self,
        folder: str | Path,
        *,
        index: Literal["flat", "hnsw", "ivf"] = "flat",
        formats: str | Sequence[str] = (),
    ) -> Path:
        """Write vectors with raw ids, an index and a README to a new folder, and return it; `recbench export`.

        `formats` are "torch" and "onnx", for what encodes new users and items by features. Raises UsageError unless
        this is one run, for a folder that exists, and for a backbone that has no such vectors.

            runs[:1].export("served", index="hnsw", formats="onnx")
        """
        path = Path(folder).expanduser()
        export_run(self._only("export"), own_store(), path, index, names_of(formats))
        return path

    def _only(self, action: str) -> RunRecord:
        if len(self) != 1:
            raise UsageError(f"{action}: {len(self)} runs, where one is expected; take one, as in runs[:1]")
        require_unchanged(self)
        return self[0]

    def __repr__(self) -> str:
        return "\n".join(map(repr, self.records))

    def _repr_html_(self) -> str:
        return self.to_polars()._repr_html_()


class Evaluations(Table):
    """One row per run, metric and feedback, with the signature that pins the definition of each number."""


@public
def runs(word: str) -> Runs:
    """Return the runs that a word means, as in the commands: LOSS or LOSS/BACKBONE, perhaps with settings.

    These follow a plus, as in "bce/mf+logit=bare". Or DATASET, DATASET/SPLIT, a tag, "latest", "best", "all", or the
    first digits of a run. Raises UsageError if there is none.

        rb.runs("bce/mf").evaluate("auc")
    """
    return Runs(tuple(own_store().named(word)))
