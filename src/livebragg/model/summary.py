"""One line about a scan in a results file, for lists of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSummary:
    """What a list of acquisitions says about each.

    Parameters
    ----------
    name : str
        File name, without its folder.
    acquisition_id : str
        Name of the scan; empty where the file cannot be read.
    created_at : float
        Seconds since 1970-01-01 UTC.
    status : str
        ``complete``, ``stopped``, ``aborted``, ``running``, or ``unreadable``.
    reason : str
        Why, in words.
    scan_shape : tuple of int
        ``(scan_rows, scan_cols)``; (0, 0) where it is not known.
    n_classes : int
        Classes with positions.
    lost : int
        Frames that were dropped, never came, or failed.
    """

    name: str
    acquisition_id: str
    created_at: float
    status: str
    reason: str = ""
    scan_shape: tuple[int, int] = (0, 0)
    n_classes: int = 0
    lost: int = 0
