"""Running sums and stores over a scan: Bragg vectors, their map, scalar images."""

from livebragg.accumulate.images import ImageStack, ScanImages
from livebragg.accumulate.profiles import ProfileStore, RegionProfile
from livebragg.accumulate.rings import ring_of_disks, ring_pixels
from livebragg.accumulate.vector_map import BraggVectorMap, ClassVectorMaps, bragg_image, vector_map
from livebragg.accumulate.vectors import VectorStore, VectorView

__all__ = [
    "BraggVectorMap",
    "ClassVectorMaps",
    "ImageStack",
    "ProfileStore",
    "RegionProfile",
    "ScanImages",
    "VectorStore",
    "VectorView",
    "bragg_image",
    "ring_of_disks",
    "ring_pixels",
    "vector_map",
]
