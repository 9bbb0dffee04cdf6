"""Numbers and foreign text as an operator reads them. Anything may come in; what goes out is short and printable.

Texts are put into the page as text, never as HTML; this module only sees to their length and their control
characters (a right-to-left override could make a name read as something else).
"""

from __future__ import annotations

import math
import unicodedata

UNKNOWN = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"

_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def clean(text: str, limit: int = 80) -> str:
    """One printable line of at most `limit` characters."""
    shown = "".join(c if unicodedata.category(c)[0] not in "CZ" else " " for c in text[: 4 * limit])
    shown = " ".join(shown.split())
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def number(value: float | None, digits: int = 3) -> str:
    """Significant digits with a prefix for thousands.

    Examples
    --------
    >>> number(0.1234), number(12345.0), number(7.0), number(float("nan"))
    ('0.123', '12.3k', '7', '–')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if value and not 1e-3 <= abs(value) < 1e12:
        return f"{value:.{digits - 1}e}"
    for size, prefix in _PREFIXES:
        if abs(value) >= size:
            return _plain(value / size, digits) + prefix
    return _plain(value, digits)


def digits_for(low: float, high: float) -> int:
    """Significant digits with which two numbers can be told apart.

    Examples
    --------
    >>> digits_for(0.0, 9000.0), digits_for(135.1, 136.4)
    (3, 5)
    """
    span, largest = abs(high - low), max(abs(low), abs(high))
    if not (math.isfinite(span) and math.isfinite(largest)) or span == 0:
        return 3
    return min(7, max(3, 3 + int(math.log10(largest / span))))


def _plain(value: float, digits: int) -> str:
    exponent = math.floor(math.log10(abs(value))) if value else 0
    text = f"{value:.{max(0, digits - 1 - exponent)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def count(value: float | None) -> str:
    """A count, in full up to 99,999."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return f"{int(value):,}" if abs(value) < 1e5 else number(value)


def seconds(value: float | None) -> str:
    """A short time with its unit.

    Examples
    --------
    >>> seconds(0.0421), seconds(2.31), seconds(75), seconds(7300)
    ('42 ms', '2.3 s', '1:15 min', '2:01 h')
    """
    if value is None or not math.isfinite(value) or value < 0:
        return UNKNOWN
    if value < 0.95:
        return f"{1000 * value:.0f} ms"
    if value < 10:
        return f"{value:.1f} s"
    if value < 60:
        return f"{value:.0f} s"
    if value < 3600:
        return f"{int(value) // 60}:{int(value) % 60:02d} min"
    return f"{int(value) // 3600}:{int(value) % 3600 // 60:02d} h" if value < 360_000 else "> 100 h"


def q_length(pixels: float, size: float | None) -> str:
    """A length in the diffraction plane: in 1/Å when the size of a pixel in 1/Å is known, else in pixels."""
    return f"{number(pixels * size)} 1/Å" if size else f"{number(pixels)} px"


def lattice_spacing(pixels: float, size: float | None) -> str:
    """The spacing behind a scattering vector; empty where it is not known, or the vector is next to the beam.

    Examples
    --------
    >>> lattice_spacing(2.0, 0.1), lattice_spacing(2.0, None), lattice_spacing(0.5, 0.1)
    ('d 5 Å', '', '')
    """
    return f"d {number(1 / (pixels * size))} Å" if size and pixels >= 1 else ""


def percent(fraction: float) -> str:
    """A part of the whole; small ones keep a digit."""
    if not math.isfinite(fraction):
        return UNKNOWN
    if 0 < fraction < 0.001:
        return "< 0.1 %"
    return f"{100 * fraction:.1f} %" if 0 < fraction < 0.0995 else f"{100 * fraction:.0f} %"
