"""Frames with circles where disks were found, as PNG (Pillow, the `bench` extra)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

COLOURS = (
    (5.0, (80, 200, 255)),
    (8.0, (120, 255, 120)),
    (20.0, (255, 220, 60)),
    (np.inf, (255, 90, 60)),
)
"""Colour of a disk below each significance (intensity over its error)."""

MASKED = (40, 60, 150)
_BANNER = 54


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One frame and what was found in it."""

    frame: NDArray[np.generic]
    positions: NDArray[np.float64]
    significance: NDArray[np.float64]
    radius: float
    caption: tuple[str, str]
    bad_pixels: NDArray[np.bool_] | None = None


def draw(panel: Panel, size: int, *, circles: bool = True, exact: bool = False) -> Image.Image:
    """Draw a panel `size` pixels wide, or (unless `exact`) the next whole multiple of the frame's width."""
    shade = Image.fromarray(_shades(panel.frame.astype(np.float64), panel.bad_pixels))
    longest = max(panel.frame.shape)
    zoom = size / longest if exact else max(-(-size // longest), 1)
    scaled = (round(shade.width * zoom), round(shade.height * zoom))
    picture = shade.resize(scaled, Image.Resampling.BOX if exact else Image.Resampling.NEAREST)
    if circles:
        _circles(ImageDraw.Draw(picture), panel, zoom)
    return _with_caption(picture, panel.caption)


def beside(pictures: list[Image.Image], gap: int = 12) -> Image.Image:
    """Put pictures in one row."""
    total = sum(p.width for p in pictures) + gap * (len(pictures) - 1)
    sheet = Image.new("RGB", (total, max(p.height for p in pictures)), "white")
    left = 0
    for picture in pictures:
        sheet.paste(picture, (left, 0))
        left += picture.width + gap
    return sheet


def compact(picture: Image.Image) -> Image.Image:
    """The picture in greys, the circles' colours and the mask's, for a small file."""
    colours = [*(colour for _, colour in COLOURS), MASKED]
    greys = [(g, g, g) for g in np.linspace(0, 255, 64).round().astype(int).tolist()]
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for colour in [*greys, *colours] for value in colour])
    return picture.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE)


def _shades(frame: NDArray[np.float64], bad_pixels: NDArray[np.bool_] | None) -> NDArray[np.uint8]:
    """Logarithmic, from the darkest hundredth to white at the brightest thousandth."""
    usable = np.isfinite(frame) if bad_pixels is None else np.isfinite(frame) & ~bad_pixels
    low, middle, high = np.percentile(frame[usable], [1.0, 60.0, 99.9])
    # Where most pixels are empty, one count must show; where they are not, the background must not be white.
    unit = 0.3 * (middle - low) if middle > low else max(0.5 * frame[frame > low].min(initial=1.0), 1e-9)
    level = np.log1p(np.maximum(np.nan_to_num(frame) - low, 0.0) / unit) / np.log1p((high - low) / unit)
    grey = (255 * np.clip(level, 0.0, 1.0)).astype(np.uint8)
    shade = np.stack([grey] * 3, axis=-1)
    if bad_pixels is not None:
        shade[bad_pixels] = (shade[bad_pixels] // 3 + np.array(MASKED)).astype(np.uint8)
    return shade


def _circles(pen: ImageDraw.ImageDraw, panel: Panel, zoom: float) -> None:
    reach = panel.radius * zoom
    # The strongest come last, over the weak ones.
    for k in np.argsort(panel.significance):
        row, col = (panel.positions[k] + 0.5) * zoom
        strength = panel.significance[k]
        colour = next(c for limit, c in COLOURS if strength < limit or limit == np.inf)
        weight = 1 if strength < COLOURS[1][0] or reach < 15 else 3
        pen.ellipse((col - reach, row - reach, col + reach, row + reach), outline=colour, width=weight)


def _with_caption(picture: Image.Image, caption: tuple[str, str]) -> Image.Image:
    banner = _BANNER * picture.width // 1200 + 8
    font = ImageFont.load_default(size=banner * 0.4)
    sheet = Image.new("RGB", (picture.width, picture.height + banner), "white")
    sheet.paste(picture, (0, banner))
    pen = ImageDraw.Draw(sheet)
    for line, text in enumerate(caption):
        pen.text((picture.width / 2, banner * (0.26 + 0.48 * line)), text, fill="black", font=font, anchor="mm")
    return sheet
