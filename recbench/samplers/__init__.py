"""From a training log to slates of candidates, on the device where the log lies."""

from recbench.samplers.adaptive import AdaptiveRank
from recbench.samplers.base import SAMPLERS, Sampler
from recbench.samplers.catalogue import Catalogue
from recbench.samplers.catalogue_rows import CatalogueRows
from recbench.samplers.clustered import Clustered
from recbench.samplers.in_batch import InBatch
from recbench.samplers.lists import Lists
from recbench.samplers.mixed import Mixed
from recbench.samplers.negatives import AnyItem, Negatives, Popularity, Proposal, Uniform, WeightedNegatives
from recbench.samplers.pool import Pool
from recbench.samplers.rows import Rows
from recbench.samplers.shared import Shared
from recbench.samplers.triplets import Triplets

__all__ = [
    "SAMPLERS",
    "AdaptiveRank",
    "AnyItem",
    "Catalogue",
    "CatalogueRows",
    "Clustered",
    "InBatch",
    "Lists",
    "Mixed",
    "Negatives",
    "Pool",
    "Popularity",
    "Proposal",
    "Rows",
    "Sampler",
    "Shared",
    "Triplets",
    "Uniform",
    "WeightedNegatives",
]
