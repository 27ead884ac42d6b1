"""Metrics of one log for one model, as another library would print them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from recbench.data.dataset import Log, Positives
from recbench.errors import UsageError, unknown
from recbench.evaluation.dialects.rule import Asked, Lists, RowRule
from recbench.evaluation.evaluate import Ranked, Value, top_hits
from recbench.evaluation.predictions import Predictions
from recbench.evaluation.signature import LOWER, Protocol


def evaluate_as(
    asked: Sequence[Asked],
    log: Log,
    feedback: Sequence[str],
    predictions: Predictions,
    seen: Callable[[int], Positives],
    items: int,
    protocol: Protocol,
) -> list[Value]:
    """Compute each metric for each of its feedback types, as `evaluate` does for those of recbench.

    Raises UsageError for a feedback that is not among `feedback`, and for a metric of probabilities where the model
    gives none.
    """
    values: dict[tuple[str, str], Value] = {}
    for one in asked:
        for name in (one.feedback, one.by):
            if name is not None and name not in feedback:
                raise unknown("feedback", name, feedback)
        if one.rule.needs_probability and predictions.log_probability is None:
            raise UsageError(f"metric `{one}` needs probabilities, which this loss does not give; choose auc instead")
        for name in feedback if one.feedback is None else [one.feedback]:
            own = replace(one, feedback=None, by=None if one.by == name else one.by)
            ranked = Ranked(feedback.index(name), feedback.index(one.by or name))
            value = _value(own, ranked, name, log, predictions, seen, items, protocol)
            values[str(own), name] = value
    return list(values.values())


def _value(
    one: Asked,
    ranked: Ranked,
    name: str,
    log: Log,
    predictions: Predictions,
    seen: Callable[[int], Positives],
    items: int,
    protocol: Protocol,
) -> Value:
    rule, label = one.rule, log.label[:, ranked.column]
    if isinstance(rule, RowRule):
        score = predictions.log_probability if rule.needs_probability else predictions.score
        assert score is not None
        number = rule.value(score[:, ranked.by], label, log.user)
    else:
        assert one.k is not None
        protocol = replace(protocol, candidates="rows" if one.dialect.candidates == "rows" else "catalogue")
        if protocol.candidates == "rows":
            lists = Lists.of_rows(predictions.score[:, ranked.by], label, log.user, log.item, one.k)
        else:
            top = top_hits(ranked, one.k, log, predictions, seen(ranked.column), items, protocol)
            assert top.length is not None
            users = len(log.user.unique())
            lists = Lists(top.hits.hit, top.hits.relevant, top.length, users - len(top.hits.user))
        number = rule.value(lists)
    return Value(str(one), name, number.value, number.count, rule.unit, _signature(one, protocol, items))


def _signature(one: Asked, protocol: Protocol, items: int) -> str:
    words = [str(replace(one, by=None)), f"rows={protocol.part}"]
    words += [f"history={protocol.history}"] if protocol.history else []
    words += [f"ranked by={one.by}"] if one.by else []
    if one.k is not None and protocol.candidates == "rows":
        words.append("candidates=rows of the user")
    elif one.k is not None:
        seen = f"{protocol.seen} positives removed" if protocol.seen else "kept"
        words += [f"candidates=catalogue({items})", f"seen={seen}"]
    words += [one.definition, *([LOWER] if one.rule.lower_is_better else [])]
    return "; ".join([*words, f"data={protocol.data}"])
