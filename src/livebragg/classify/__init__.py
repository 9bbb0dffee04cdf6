"""From tracked peaks and radial profiles to classes: features, growing NMF, labels, families."""

from livebragg.classify.by_light import LightClasses, LightLabels
from livebragg.classify.carried import CarriedClasses
from livebragg.classify.class_maps import ClassMaps
from livebragg.classify.families import FamilyClassifier
from livebragg.classify.features import FeatureTable, FeatureView
from livebragg.classify.labels import ClassLabeler
from livebragg.classify.locked import LockedPattern
from livebragg.classify.nmf import Factors, GrowingNMF
from livebragg.classify.scattering import Scattering
from livebragg.classify.turned import TurnFinder
from livebragg.classify.user_classes import ClassList, UserClasses
from livebragg.classify.variants import VariantFinder

__all__ = [
    "CarriedClasses",
    "ClassLabeler",
    "ClassList",
    "ClassMaps",
    "Factors",
    "FamilyClassifier",
    "FeatureTable",
    "FeatureView",
    "GrowingNMF",
    "LightClasses",
    "LightLabels",
    "LockedPattern",
    "Scattering",
    "TurnFinder",
    "UserClasses",
    "VariantFinder",
]
