"""What batches carry and backbones have, in the words by which losses, samplers and backbones ask for it.

A sampler says in `gives` what its batches carry and in `needs` what it asks of the backbone. A backbone says in
`offers` what it has and in `needs` what it asks of the batches. A loss says in `needs` what it asks of either. Other
names may be used as well: what is not of the slates is asked of the backbone.
"""

from __future__ import annotations

from collections.abc import Iterable

OF_SLATES = {
    "row": "the training row that each slate stands for",
    "positive first": "a positive in the first slot of each slate",
    "negatives": "negatives of the user beside a positive",
    "slot probabilities": "the log-probability that a slot holds its item, for the positive too",
    "lists": "lists of a user's rows with their own labels",
    "catalogue": "all items on one slate, with a user's feedback as pairs",
}
OF_BACKBONES = {
    "embeddings": "vectors of one length for users and items",
    "vectors": "vectors whose inner products are the scores",
    "free vectors": "such vectors that are themselves parameters, the rows of `user_table` and `item_table`",
    "forward derivatives": "forward-mode derivatives in every operation",
    "graph views": "encodings of all users and items over changed graphs",
    "feature views": "encodings of items by some of their features",
    "layers": "vectors that are the mean of the layers of a graph convolution",
    "new users": "vectors of users without training rows, by their features or by what is known of them",
    "user codes": "users encoded from what they have had",
    "code distributions": "a normal distribution of each user's code, from which training draws",
}


def in_words(names: Iterable[str]) -> str:
    """Return what these names stand for, as it follows "needs"."""
    words = OF_SLATES | OF_BACKBONES
    return " and ".join(words.get(name, name) for name in sorted(names))
