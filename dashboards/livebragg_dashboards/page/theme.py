"""Colours of the page itself, dark and light; the style sheet gets them as CSS variables."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """One look. Pictures lie on `hole`, which also stands for positions that were not scanned."""

    name: str
    page: str
    panel: str
    hole: str
    unclassified: str
    raised: str
    line: str
    text: str
    muted: str
    accent: str
    disks: str
    peaks: str
    good: str
    warn: str
    bad: str
    curve: str
    curve_faint: str

    def css(self) -> str:
        """Declarations for ``:root``."""
        colours = {k: v for k, v in asdict(self).items() if k != "name"}
        return " ".join(f"--{key.replace('_', '-')}: {value};" for key, value in colours.items())


DARK = Theme(
    name="dark",
    page="#0a0c0f",
    panel="#13171c",
    hole="#090b0e",
    unclassified="#2a3038",
    raised="#1e242b",
    line="#2a323b",
    text="#e8ecf0",
    muted="#8d98a5",
    accent="#4cc2ff",
    disks="#ffb454",
    peaks="#5fe3ff",
    good="#3ecf8e",
    warn="#ffc447",
    bad="#ff5d5d",
    curve="#4cc2ff",
    curve_faint="#5b6b7b",
)

LIGHT = Theme(
    name="light",
    page="#e9ecef",
    panel="#ffffff",
    hole="#f1f3f5",
    unclassified="#d5dade",
    raised="#eef1f4",
    line="#d3d9df",
    text="#14191f",
    muted="#5c6874",
    accent="#0069b4",
    disks="#ff9d1e",
    peaks="#35d0ff",
    good="#0f8a55",
    warn="#a86a00",
    bad="#c92a2a",
    curve="#0069b4",
    curve_faint="#9aa6b1",
)

THEMES = {"dark": DARK, "light": LIGHT}
