"""Something that the user wanted to be told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One condition that came true.

    Parameters
    ----------
    rule : str
        Name of the rule, and of the class where there is one for each.
    text : str
        What happened, with value and limit.
    raised_at : float
        Seconds since 1970-01-01 UTC.
    active : bool
        Whether it is still true.
    acquisition : str
        The scan it is about; empty without one.
    """

    rule: str
    text: str
    raised_at: float
    active: bool = True
    acquisition: str = ""
