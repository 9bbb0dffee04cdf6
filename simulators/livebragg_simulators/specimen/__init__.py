"""A synthetic specimen: a scan with known grains, drift, strain and dose, and its detector frames."""

from livebragg_simulators.specimen.config import SpecimenConfig
from livebragg_simulators.specimen.presets import PRESETS
from livebragg_simulators.specimen.scene import Specimen

__all__ = ["PRESETS", "Specimen", "SpecimenConfig"]
