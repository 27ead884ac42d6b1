"""The step of a model written out, with nothing around it: how far a GPU can go.

Parameters of several runs are stacked, products are batched, and a graph holds several steps with their gathers. Its
gathers by `index_select` add gradients in any order on a GPU, so that it need not give the same numbers twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.gpu_sections import shapes
from benchmarks.gpu_sections.case import Case, Measured, Setting, of_steps, start_peak
from recbench.data.dataset import Dataset, Table

STEPS = 8  # in a graph
BATCH, BATCH_OF_PAIRS = 1024, 5000
WARM_UP = 3

Objective = Callable[[Tensor], Tensor]  # from the rows of a batch, [runs, B]


class Side(nn.Module):
    """One tower of several runs: one table of the features, and three layers."""

    index: Tensor  # [entities, slots] rows of the table of one run
    lane: Tensor  # [runs, 1, 1] the first row of each run

    def __init__(self, table: Table, runs: int, width: int = 16, dim: int = 32) -> None:
        super().__init__()
        sizes = [column.size for column in table.columns]
        widths = torch.tensor([column.width for column in table.columns])
        first = torch.tensor([sum(sizes[:place]) for place in range(len(sizes))])
        device = table.value.device
        self.rows, self.widths = sum(sizes), widths.tolist()
        self.register_buffer("index", table.value.long() + first.repeat_interleave(widths).to(device))
        self.register_buffer("lane", (torch.arange(runs) * self.rows).view(-1, 1, 1).to(device))
        self.table = nn.Parameter(torch.randn(runs * self.rows, width, device=device) * 0.1)
        layers = [width * len(sizes), 128, 64, dim]
        pairs = list(zip(layers, layers[1:], strict=False))
        self.weights = nn.ParameterList(torch.randn(runs, m, n, device=device) / m**0.5 for m, n in pairs)
        self.biases = nn.ParameterList(torch.zeros(runs, 1, n, device=device) for _, n in pairs)

    def forward(self, row: Tensor) -> Tensor:
        """Return the vectors [runs, B, dim] of rows [runs, B]."""
        index = self.index.index_select(0, row.flatten()).view(*row.shape, -1) + self.lane
        fields = self.table.index_select(0, index.flatten()).view(*index.shape, -1)
        parts = [part if part.shape[2] == 1 else part.mean(2, keepdim=True) for part in fields.split(self.widths, 2)]
        value = torch.cat(parts, 2).flatten(2)
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            value = torch.baddbmm(bias, value, weight)
            value = F.leaky_relu(value) if number < len(self.weights) - 1 else value
        return value


class TwoTowers(nn.Module):
    """Cross-entropy on cosines of two towers."""

    user: Tensor  # [rows]
    item: Tensor
    label: Tensor

    def __init__(self, data: Dataset, runs: int) -> None:
        super().__init__()
        self.user_side, self.item_side = Side(data.users, runs), Side(data.items, runs)
        self.register_buffer("user", data.train.user.long())
        self.register_buffer("item", data.train.item.long())
        self.register_buffer("label", data.train.label[:, 0].float())

    def forward(self, row: Tensor) -> Tensor:
        """Return the sum of the runs' losses."""
        flat = row.flatten()
        user, item = (column.index_select(0, flat).view_as(row) for column in (self.user, self.item))
        cosine = (F.normalize(self.user_side(user), dim=2) * F.normalize(self.item_side(item), dim=2)).sum(2)
        label = self.label.index_select(0, flat).view_as(row)
        return F.binary_cross_entropy_with_logits(cosine, label, reduction="sum") / row.shape[1]


class Pairwise(nn.Module):
    """BPR on free vectors, with any item as the negative."""

    lane: Tensor  # [runs, 1]
    user: Tensor  # [rows]
    item: Tensor
    other: Tensor

    def __init__(self, data: Dataset, runs: int, dim: int = 64) -> None:
        super().__init__()
        device, users, items = data.train.user.device, len(data.users), len(data.items)
        self.register_buffer("lane", torch.arange(runs, device=device).unsqueeze(1))
        self.register_buffer("user", data.train.user.long())
        self.register_buffer("item", data.train.item.long())
        self.register_buffer("other", torch.randint(items, (len(data.train),), device=device))
        self.users, self.items = users, items
        self.of_users = nn.Parameter(torch.randn(runs * users, dim, device=device) * 0.1)
        self.of_items = nn.Parameter(torch.randn(runs * items, dim, device=device) * 0.1)

    def forward(self, row: Tensor) -> Tensor:
        """Return the sum of the runs' losses."""
        flat = row.flatten()
        place = self.user.index_select(0, flat).view_as(row) + self.lane * self.users
        user = self.of_users.index_select(0, place.flatten())
        positive, negative = (
            self.of_items.index_select(
                0, (column.index_select(0, flat).view_as(row) + self.lane * self.items).flatten()
            )
            for column in (self.item, self.other)
        )
        return F.softplus((user * (negative - positive)).sum(1)).sum() / row.shape[1]


def cases(setting: Setting) -> Iterator[Case]:
    """Yield the sketches of both shapes, for one run and several."""
    many = (1, 2) if setting.toy else (1, 10, 40)
    of_ml1m, of_aliccp = {1: 2.8e6, 10: 13.8e6, 40: 28.4e6}, {1: 1.05e6, 10: 2.7e6}
    for runs in many:
        measure = partial(_measure, setting, TwoTowers, shapes.ml1m, runs, BATCH)
        yield Case("two towers, ml-1m", _way(runs), measure, before=of_ml1m.get(runs))
    for runs in many:
        measure = partial(_measure, setting, Pairwise, shapes.gowalla, runs, BATCH_OF_PAIRS)
        yield Case("bpr x mf, gowalla", _way(runs), measure)
    for runs in many[:2]:
        measure = partial(_measure, setting, TwoTowers, shapes.aliccp, runs, BATCH)
        yield Case("two towers, ali-ccp", _way(runs), measure, before=of_aliccp.get(runs))
    if not setting.toy:
        for runs, before in ((1, 4.6e6), (10, 21.2e6)):
            measure = partial(_measure, setting, TwoTowers, shapes.ml1m, runs, BATCH, compiled=True)
            yield Case("two towers, ml-1m", f"{_way(runs)}, compiled", measure, before=before)


def _way(runs: int) -> str:
    return "bare sketch" if runs == 1 else f"bare sketch of {runs} runs"


def _measure(
    setting: Setting,
    kind: Callable[[Dataset, int], nn.Module],
    shape: Callable[[Setting], Dataset],
    runs: int,
    batch: int,
    compiled: bool = False,
) -> Measured:
    start_peak(setting.device)
    data = shape(setting)
    model, rows = kind(data, runs).to(setting.device), len(data.train)
    objective = torch.compile(model) if compiled else model
    size = STEPS, runs, min(batch, rows // STEPS)
    return of_steps(setting, recorded(model, objective, setting.device, size, rows), WARM_UP)


def recorded(
    model: nn.Module, objective: Objective, device: torch.device, shape: tuple[int, int, int], rows: int
) -> Callable[[], int]:
    """Return a function that draws rows [steps, runs, B] and makes that many steps; on a GPU they are one graph."""
    on_gpu = device.type == "cuda"
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True, capturable=on_gpu)
    row = torch.zeros(shape, dtype=torch.long, device=device)

    def step(number: int) -> None:
        optimizer.zero_grad(set_to_none=True)
        objective(row[number]).backward()
        optimizer.step()

    def steps() -> None:
        for number in range(shape[0]):
            step(number)

    repeat = _graph(steps, device) if on_gpu else steps

    def draw_and_step() -> int:
        row.random_(rows)
        repeat()
        return row.numel()

    return draw_and_step


def _graph(steps: Callable[[], None], device: torch.device) -> Callable[[], None]:
    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):
        steps()
    torch.cuda.current_stream(device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        steps()
    return graph.replay
