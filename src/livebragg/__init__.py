"""Live processing of 4D-STEM data beside the microscope."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("livebragg")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
