"""From tracked peaks to classes: features, growing NMF, labels."""

from livebragg.classify.features import FeatureTable, FeatureView
from livebragg.classify.labels import ClassLabeler, ClassMaps
from livebragg.classify.nmf import Factors, GrowingNMF
from livebragg.classify.variants import VariantFinder

__all__ = [
    "ClassLabeler",
    "ClassMaps",
    "Factors",
    "FeatureTable",
    "FeatureView",
    "GrowingNMF",
    "VariantFinder",
]
