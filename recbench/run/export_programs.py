"""The towers of an export as programs: what encodes new users and items where there is no recbench."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Sequence
from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from recbench.backbones.base import BACKBONES, Backbone
from recbench.backbones.building_blocks.features import Features
from recbench.backbones.building_blocks.two_sides import EntityEncoder, TwoSidedBackbone
from recbench.data.dataset import Dataset, Table
from recbench.data.manifest_file import read_manifest
from recbench.errors import UsageError, require_known
from recbench.losses.base import Loss
from recbench.preparation.feature_encoding import FeatureEncoding, encodings_of
from recbench.training.model import Model
from recbench.training.scorer import linear_weights

FORMATS = ("torch", "onnx")
FILES = {"torch": "{side}_tower.pt2", "onnx": "{side}_tower.onnx"}
RUNNERS = {"torch": "torch", "onnx": "onnxruntime"}
ONNX = ("onnx", "onnxscript")  # packages
TORCH = tuple(map(int, torch.__version__.split(".")[:2]))

LOAD = {
    "torch": """\
import torch

towers = {side: torch.export.load(f"{side}_tower.pt2").module() for side in ("user", "item")}


def run(side: str, ids: np.ndarray, numbers: np.ndarray | None) -> np.ndarray:
    inputs = (ids,) if numbers is None else (ids, numbers)
    return towers[side](*map(torch.from_numpy, inputs)).detach().numpy()
""",
    "onnx": """\
import onnxruntime

towers = {side: onnxruntime.InferenceSession(f"{side}_tower.onnx") for side in ("user", "item")}


def run(side: str, ids: np.ndarray, numbers: np.ndarray | None) -> np.ndarray:
    inputs = {"ids": ids} if numbers is None else {"ids": ids, "numbers": numbers}
    return towers[side].run(None, inputs)[0]
""",
}

README = """
## New users and items

{files} turn features into the vectors of above:
{outputs}. A batch may have any number of rows. `features.json`
and `vocabulary/` say how raw columns become what they read; values that training did not see become 0. Rows have these
columns of the raw data, text of several values joined by `{separator}`: {columns}.

```python
import json
from pathlib import Path

import numpy as np
import polars as pl
{load}
features = json.loads(Path("features.json").read_text(encoding="utf-8"))


def vocabulary(side: str, name: str) -> dict[object, int]:
    return dict(pl.read_parquet(f"vocabulary/{{side}}.{{name}}.parquet").select("value", "id").iter_rows())


def words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(features["separator"])]


def encode(side: str, rows: pl.DataFrame) -> np.ndarray:
    ids, numbers = [], []
    for feature in features[side]:
        values, width = rows[feature["name"]].to_list(), feature["width"]
        if feature["kind"] == "numeric":
            value = np.array([np.nan if v is None else float(v) for v in values])
            bucket = np.searchsorted(feature["edges"], value) + 2
            ids.append(np.where(np.isfinite(value), bucket, 1)[:, None])
        elif feature["kind"] == "vector":
            numbers.append([[0.0] * width if v is None else list(map(float, words(v))) for v in values])
        else:
            known = vocabulary(side, feature["name"])
            bags = [words(v) for v in values] if feature["kind"] == "bag" else [[v] for v in values]
            found = [[known[word] for word in bag if word in known] for bag in bags]
            ids.append([(bag + [0] * width)[:width] for bag in found])
    joined = np.concatenate([np.zeros((len(rows), 0)), *ids], axis=1).astype(np.int32)
    return run(side, joined, np.concatenate(numbers, axis=1).astype(np.float32) if numbers else None)


new_user = {user}
new_item = {item}
print(search(encode("user", pl.DataFrame([new_user]))[0, 0]{tower}))
print(encode("item", pl.DataFrame([new_item])).shape)
```
"""

OTHER = """
With {name}, what loads and runs the towers is

```python
{load}```
"""


def require_programs(backbone: Backbone, formats: tuple[str, ...]) -> None:
    """Raise UsageError for a format that there is not or whose packages are missing, or a backbone without features."""
    require_known("format", formats, FORMATS)
    if "onnx" in formats and not all(map(find_spec, ONNX)):
        raise UsageError(f"--format onnx needs {' and '.join(ONNX)}: pip install 'recbench[onnx]'")
    if formats and not isinstance(backbone, TwoSidedBackbone):
        others = [name for name, other in BACKBONES.items() if issubclass(other, TwoSidedBackbone)]
        raise UsageError(
            f"--format {','.join(formats)}: backbone `{backbone.name}` has no towers over features; leave it out, or "
            f"take a run of {', '.join(others)}"
        )
    if formats and TORCH < (2, 11):
        raise UsageError(f"--format {','.join(formats)} needs torch 2.11, this is {torch.__version__}; leave it out")


class Tower(nn.Module):
    """From the features of users or items to the vectors by which an export is searched."""

    weight: Tensor | None

    def __init__(self, backbone: TwoSidedBackbone, loss: Loss, side: Literal["user", "item"]) -> None:
        super().__init__()
        self.encoder = deepcopy(EntityEncoder(backbone, side)).cpu()
        for part in self.encoder.modules():
            if isinstance(part, Features):  # the features of the entities of training are no part of the program
                part.index, part.weight = part.index[:0].clone(), part.weight[:0].clone()
                part.dense = None if part.dense is None else part.dense[:0].clone()
        self.loss = deepcopy(loss).cpu()
        self.side = side
        weight = linear_weights(self.loss)
        self.register_buffer("weight", None if weight is None else weight.contiguous(), persistent=False)

    def forward(self, ids: Tensor, numbers: Tensor | None = None) -> Tensor:
        """Return vectors of items [n, numbers] and of users [n, feedback, numbers] to search by.

        Where scores are not linear in the vectors of towers, these: [n, towers, numbers].
        """
        vectors = self.encoder(ids, numbers)
        other = vectors.new_zeros(1, *vectors.shape[1:])  # of the other side, which the loss transforms too
        pair = (vectors, other) if self.side == "user" else (other, vectors)
        own: Tensor = self.loss.vectors(*pair)[0 if self.side == "user" else 1]
        if self.weight is None:
            return own
        if self.side == "item":
            return own.flatten(1)
        return (own.unsqueeze(1) * self.weight[None, :, :, None]).flatten(2)


def write_programs(folder: Path, model: Model, data: Dataset, formats: tuple[str, ...]) -> str:
    """Write the programs and what turns raw columns into their inputs; return what the README says of them.

    The model is one that `require_programs` has nothing against.
    """
    assert isinstance(model.backbone, TwoSidedBackbone)
    sides: tuple[tuple[Literal["user", "item"], Table], ...] = (("user", data.users), ("item", data.items))
    separator = read_manifest(data.folder).options.bag_separator
    described: dict[str, object] = {"separator": separator}
    examples: dict[str, dict[str, object]] = {}
    (folder / "vocabulary").mkdir()
    columns = []
    for side, table in sides:
        tower = Tower(model.backbone, model.loss, side).eval()
        _write_program(folder, side, tower, table, formats)
        encodings = encodings_of(data, side)
        described[side] = [_described(encoding) for encoding in encodings]
        examples[side] = _example(encodings, separator)
        columns.append(f"{side}: {', '.join(encoding.column.name for encoding in encodings)}")
        for encoding in encodings:
            if encoding.vocabulary is not None:
                encoding.vocabulary.write_parquet(folder / "vocabulary" / f"{side}.{encoding.column.name}.parquet")
    (folder / "features.json").write_text(json.dumps(described, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    linear = linear_weights(model.loss) is not None
    text = README.format(
        files=", ".join(f"`{FILES[form].format(side=side)}`" for form in formats for side, _ in sides),
        outputs="[rows, feedback, numbers] of users, [rows, numbers] of items" if linear else "[rows, towers, numbers]",
        columns="; ".join(columns),
        separator=separator,
        load=LOAD[formats[0]],
        tower="" if linear else ", 1",
        **examples,
    )
    return text + "".join(OTHER.format(name=RUNNERS[form], load=LOAD[form].rstrip() + "\n") for form in formats[1:])


def _example(encodings: Sequence[FeatureEncoding], separator: str) -> dict[str, object]:
    """Return some value of every feature."""
    row: dict[str, object] = {}
    for encoding in encodings:
        column = encoding.column
        if encoding.vocabulary is not None:
            values = encoding.vocabulary["value"].drop_nulls()
            row[column.name] = values[0] if len(values) else None
        elif encoding.edges is not None:
            row[column.name] = float(encoding.edges[0]) if len(encoding.edges) else 0.0
        else:
            row[column.name] = separator.join(["0.5"] * column.width)
    return row


def _write_program(
    folder: Path, side: Literal["user", "item"], tower: Tower, table: Table, formats: tuple[str, ...]
) -> None:
    rows = torch.export.Dim("rows", min=1)
    inputs = [part for part in (table.value, table.dense) if part is not None]
    two = tuple(
        torch.zeros(2, part.shape[1], dtype=part.dtype) for part in inputs
    )  # one would be taken for all there is
    with torch.no_grad():
        program = torch.export.export(tower, two, dynamic_shapes=tuple({0: rows} for _ in two))
    for form in formats:
        path = folder / FILES[form].format(side=side)
        if form == "torch":
            torch.export.save(program, path)
        else:
            _write_onnx(path, program, two)


def _write_onnx(path: Path, program: torch.export.ExportedProgram, inputs: tuple[Tensor, ...]) -> None:
    names, logger = ["ids", "numbers"][: len(inputs)], logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it warns of packages that nothing here has to do with
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                program, inputs, path, input_names=names, output_names=["vectors"], external_data=False, verbose=False
            )
    finally:
        logger.setLevel(level)


def _described(encoding: FeatureEncoding) -> dict[str, object]:
    column = encoding.column
    edges = {} if encoding.edges is None else {"edges": encoding.edges.tolist()}
    return {"name": column.name, "kind": column.kind, "width": column.width, **edges}
