"""Models of one structure whose tensors lie side by side, so that one step of torch.func trains them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.functional import pad

from recbench.batch import Batch
from recbench.gpu import everywhere_fixed_shapes
from recbench.losses.base import Loss
from recbench.training.captured_step import make_step
from recbench.training.model import Model
from recbench.training.optimizer import joined, share_state
from recbench.training.random_numbers import DrawnByEach, RandomNumbers

Tensors = dict[str, Tensor]


class Objective(nn.Module):
    """The objective of a model on a batch, as a module whose tensors torch.func replaces."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.backbone = model.backbone
        self.loss = model.loss

    def forward(self, batch: Batch) -> Tensor:
        """Return the scalar whose gradient a step descends."""
        return self.loss.objective(self.backbone, batch)

    def trained(self) -> dict[str, nn.Parameter]:
        """Return the parameters that are optimised, by name."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}

    def reached(self, batch: Batch) -> list[str]:
        """Return the names of the parameters that a batch gives a gradient; the others a step leaves as they are."""
        trained = self.trained()
        gradients = torch.autograd.grad(self(batch), list(trained.values()), allow_unused=True)
        return [name for name, gradient in zip(trained, gradients, strict=True) if gradient is not None]


class SideBySide(Model):
    """L models of one structure as one that is stepped; each stays a model of its own, on views of common tensors.

    A step makes the same updates as a step of each would, up to the order of sums in the gradients. The optimiser is
    one for all, with a state, a learning rate and a weight decay of each model. `first` are the first batches of an
    epoch: parameters that these give no gradient are left as they are, as in a step of one model. A step draws the
    `random` numbers of each; where none are given, those of each go on from where torch's global generators are.
    """

    def __init__(self, models: Sequence[Model], first: Sequence[Batch], random: Sequence[RandomNumbers] = ()) -> None:
        super().__init__(models[0].backbone, models[0].loss, models[0].schedule)
        self.models = models
        self.random = random or [RandomNumbers() for _ in models]
        self.objectives = [Objective(model) for model in models]
        self.optimizer = joined([model.optimizer for model in models], [model.schedule for model in models])
        self.reached = self.objectives[0].reached(first[0])
        trained = [objective.trained() for objective in self.objectives]
        self.own = {name: [each[name] for each in trained] for name in self.reached}
        self.trained: Tensors = {name: _in_one(own).requires_grad_() for name, own in self.own.items()}
        self.held: Tensors = {name: _in_one(own) for name, own in self._not_shared().items()}
        self._gradients = _gradients_of(self.objectives[0], self.random)
        self._step = make_step(self, self.schedule, self.random)
        for model in models:
            model.optimizer.zero_grad(set_to_none=True)

    def _not_shared(self) -> dict[str, list[Tensor]]:
        """Return the other tensors of each that may differ: those in checkpoints may change from step to step."""
        every = [dict(objective.named_parameters()) | dict(objective.named_buffers()) for objective in self.objectives]
        changing = self.objectives[0].state_dict().keys()
        others = {name: [each[name] for each in every] for name in every[0] if name not in self.own}
        return {name: own for name, own in others.items() if name in changing or not _all_equal(own)}

    def fits(self, models: Sequence[Model], first: Sequence[Batch]) -> bool:
        """Return whether it can go on with these models for the epoch that they have started."""
        same = len(models) == len(self.models) and all(a is b for a, b in zip(models, self.models, strict=True))
        if not same or self.objectives[0].reached(first[0]) != self.reached:
            return False
        other = self._not_shared()
        if other.keys() != self.held.keys():
            return False
        stacks: list[tuple[Tensor, Sequence[Tensor]]] = [(self.trained[name], own) for name, own in self.own.items()]
        stacks += [(self.held[name], own) for name, own in other.items()]
        return all(
            tensor.data_ptr() == part.data_ptr()
            for stack, own in stacks
            for tensor, part in zip(own, stack, strict=True)
        )

    def start_steps(self) -> None:
        """Get ready for the steps of an epoch that all models have started, which may have changed what they do."""
        self._step.start_epoch()

    def step(self, batches: Sequence[Batch | None]) -> Tensor:
        """Make one update of each model that has a batch and return the objectives before it, [L], 0 for the others.

        Models whose batches are of different shapes, and those that go on when others have no more, make it alone.
        """
        present = [batch for batch in batches if batch is not None]
        together = stacked(present) if len(present) == len(batches) else None
        if together is not None:
            return self._step(together)
        objectives = [torch.zeros((), device=present[0].user.device)] * len(batches)
        for number, (model, batch, random) in enumerate(zip(self.models, batches, self.random, strict=True)):
            if batch is not None:
                with random.in_use():
                    objectives[number] = model.update(batch)
        self.share_state()
        return torch.stack(objectives)

    def update(self, batch: Batch) -> Tensor:
        """Make one update of each model on batches that are stacked, and return the objectives before it, [L]."""
        gradients, objectives = self._gradients(self.trained, self.held, batch)
        for name, gradient in gradients.items():
            for parameter, own in zip(self.own[name], gradient.unbind(), strict=True):
                parameter.grad = own
        is_first = not self.optimizer.state
        self.optimizer.step()
        if is_first:
            self.share_state()
        if type(self.models[0].loss).after_step is not Loss.after_step:
            for model in self.models:
                model.loss.after_step(model.backbone)
        return objectives.detach()

    @property
    def notes(self) -> list[str]:
        """Remarks about its steps that the user should read beside the result."""
        return self._step.notes

    def share_state(self) -> None:
        """Let the optimiser and each model's own have the same state."""
        share_state(self.optimizer, [model.optimizer for model in self.models])


def gradients_alike(objective: Objective, batch: Batch) -> bool:
    """Return whether torch.func finds the gradients that a step of the model alone finds.

    Raises RuntimeError for an operation that it cannot do.
    """
    trained = objective.trained()
    names = objective.reached(batch)
    random = RandomNumbers()
    alone = torch.autograd.grad(objective(batch), [trained[name] for name in names])
    lane = {name: trained[name].detach().unsqueeze(0).requires_grad_() for name in names}
    held = {name: tensor.detach().unsqueeze(0) for name, tensor in objective.named_buffers()}
    one = with_fields(batch, {name: tensor.unsqueeze(0) for name, tensor in fields_of(batch).items()})
    together, _ = _gradients_of(objective, [random])(lane, held, one)
    largest = max(float(gradient.abs().max()) for gradient in alone)
    return all(
        torch.allclose(together[name][0], gradient, rtol=1e-3, atol=1e-5 * largest)
        for name, gradient in zip(names, alone, strict=True)
    )


def _gradients_of(
    objective: Objective, random: Sequence[RandomNumbers]
) -> Callable[[Tensors, Tensors, Batch], tuple[Tensors, Tensor]]:
    """Return the gradients and values of an objective as a function of tensors of lanes, which take its own's place.

    A lane's value depends on its own tensors alone, so that the gradient of the sum is that of each.
    """

    further = _further_names(objective)
    number = torch.arange(len(random), device=next(objective.parameters()).device)

    def value(trained: Tensors, held: Tensors, fields: Tensors, run: Tensor, batch: Batch) -> Tensor:
        tensors = trained | held
        tensors |= {name: tensors[first] for name, first in further.items() if first in tensors}
        with DrawnByEach(run, random):
            called: Tensor = functional_call(objective, tensors, (with_fields(batch, fields),), tie_weights=False)
        return called

    def of_lanes(trained: Tensors, held: Tensors, batch: Batch) -> tuple[Tensors, Tensor]:
        with everywhere_fixed_shapes():
            values = vmap(partial(value, batch=batch))(trained, held, dict(fields_of(batch)), number)
        gradients = torch.autograd.grad(values.sum(), list(trained.values()))
        # A fused optimiser reads the memory of gradients as if they were laid out as the parameters are.
        return {name: one.contiguous() for name, one in zip(trained, gradients, strict=True)}, values

    return of_lanes


def _further_names(module: nn.Module) -> dict[str, str]:
    """Return the names after the first of tensors that have several, and the first of each.

    Torch would look for them too, but does not give back the tensors of a part that the module holds twice.
    """
    first: dict[Tensor, str] = {}
    further: dict[str, str] = {}
    for prefix, part in module.named_modules():
        own = [*part.named_parameters(prefix, recurse=False, remove_duplicate=False)]
        for name, tensor in [*own, *part.named_buffers(prefix, recurse=False, remove_duplicate=False)]:
            if first.setdefault(tensor, name) != name:
                further[name] = first[tensor]
    return further


def _in_one(tensors: Sequence[Tensor]) -> Tensor:
    """Return tensors as one [L, ...], and let each be a view of its part from now on."""
    together = torch.stack([tensor.detach() for tensor in tensors])
    for tensor, part in zip(tensors, together.unbind(), strict=True):
        tensor.data = part
    return together


def _all_equal(tensors: Iterable[Tensor]) -> bool:
    first, *others = tensors
    return all(other is first or torch.equal(other, first) for other in others)


def stacked(batches: Sequence[Batch]) -> Batch | None:
    """Return the batches of L runs as one whose tensors are [L, ...]; None if they are of different shapes.

    Lists are padded to the longest, and with lists of which no slot counts to the most of a batch: the mask says so.
    """
    first = batches[0]
    if any(batch.pairs is not None or batch.positive_slots != first.positive_slots for batch in batches):
        return None
    names = list(fields_of(first))
    if any(list(fields_of(batch)) != names for batch in batches):
        return None
    if _are_lists(first):
        batches = _of_one_size(batches)
    columns = {name: [getattr(batch, name) for batch in batches] for name in names}
    if any(tensor.shape != column[0].shape for column in columns.values() for tensor in column):
        return None
    return with_fields(first, {name: torch.stack(column) for name, column in columns.items()})


def fields_of(batch: Batch) -> Mapping[str, Tensor]:
    """Return the tensors that a batch has, by the names of its fields."""
    return {field.name: value for field in fields(batch) if isinstance(value := getattr(batch, field.name), Tensor)}


def with_fields(batch: Batch, tensors: Mapping[str, Tensor]) -> Batch:
    """Return a batch with other tensors in these fields."""
    values: dict[str, Any] = dict(tensors)
    return replace(batch, **values)


def _are_lists(batch: Batch) -> bool:
    """Whether a batch holds lists, of which there are as many in a batch and as many rows on one as it happens."""
    return batch.mask is not None and batch.row is None and len(batch.item) == len(batch.user)


def _of_one_size(batches: Sequence[Batch]) -> list[Batch]:
    users = max(len(batch.user) for batch in batches)
    slots = max(batch.item.shape[1] for batch in batches)

    def padded(batch: Batch) -> Batch:
        more_users, more_slots = users - len(batch.user), slots - batch.item.shape[1]
        widths = {"user": (0, more_users), "label": (0, 0, 0, more_slots, 0, more_users)}
        usual = (0, more_slots, 0, more_users)
        return with_fields(batch, {name: pad(x, widths.get(name, usual)) for name, x in fields_of(batch).items()})

    return [padded(batch) for batch in batches]
