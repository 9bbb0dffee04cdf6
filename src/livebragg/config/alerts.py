"""Rules of ``livebragg watch``: what is worth an alert, and who is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from livebragg.config.checks import at_least, within
from livebragg.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class LostRule:
    """Frames were dropped, never came, or failed."""

    on: bool = True
    """Watch for it."""
    frames: int = 0
    """Alert when more than these are lost."""

    def __post_init__(self) -> None:
        at_least("lost.frames", self.frames, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class StalledRule:
    """No new frames, or nothing from the pipeline at all."""

    on: bool = True
    """Watch for it."""
    seconds: float = 10.0
    """Alert when it lasts longer."""

    def __post_init__(self) -> None:
        within("stalled.seconds", self.seconds, 1.0, 86_400.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRule:
    """The direct beam wanders over the detector."""

    on: bool = False
    """Watch for it."""
    pixels: float = 2.0
    """Alert when the newest scan lines have it further than this from where the first ones had it."""

    def __post_init__(self) -> None:
        within("drift.pixels", self.pixels, 0.01, 1e4)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendRule:
    """The intensity of a virtual image changes from line to line: contamination, damage, or the beam current."""

    on: bool = False
    """Watch for it."""
    image: str = "total"
    """Virtual image, by its name on the feed."""
    percent: float = 20.0
    """Alert when the newest scan lines differ by more from the first ones."""

    def __post_init__(self) -> None:
        within("trend.percent", self.percent, 0.1, 1e4)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewClassRule:
    """A class appears late in a scan."""

    on: bool = False
    """Watch for it."""
    after_percent: float = 20.0
    """Part of the scan, in percent, from which a class is news."""
    positions: int = 10
    """Positions it must have."""

    def __post_init__(self) -> None:
        within("new_class.after_percent", self.after_percent, 0.0, 100.0)
        within("new_class.positions", self.positions, 1, 1 << 24)


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaRule:
    """A class covers much of what was scanned."""

    on: bool = False
    """Watch for it."""
    classes: tuple[str, ...] = ()
    """Names of classes, as on the page; empty: every one."""
    percent: float = 50.0
    """Alert when one of them covers more, in percent of the positions seen."""
    after_percent: float = 10.0
    """Part of the scan, in percent, from which areas are judged: at first one class is everything."""

    def __post_init__(self) -> None:
        within("area.after_percent", self.after_percent, 0.0, 100.0)
        within("area.percent", self.percent, 0.0, 100.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandConfig:
    """A program that is started for each alert."""

    argv: tuple[str, ...] = ()
    """Program and arguments; the alert's text is added as the last one. No shell reads it. Empty: none."""
    timeout_s: float = 10.0
    """Seconds after which it is ended."""

    def __post_init__(self) -> None:
        within("command.timeout_s", self.timeout_s, 0.1, 600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookConfig:
    """An address that each alert is sent to as JSON."""

    url: str = ""
    """http:// or https://; empty: none."""
    timeout_s: float = 5.0
    """Seconds to wait for its answer."""

    def __post_init__(self) -> None:
        within("webhook.timeout_s", self.timeout_s, 0.1, 60.0)
        if self.url:
            try:
                parts = urlsplit(self.url)
                good = parts.scheme in ("http", "https") and bool(parts.hostname)
            except ValueError:
                good = False
            if not good or not self.url.isprintable() or " " in self.url:
                raise ConfigError(f"webhook.url {self.url!r} is no address; write http://HOST:PORT/PATH")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsConfig:
    """All rules, and who is told."""

    lost: LostRule = field(default_factory=LostRule)
    """Frames were dropped, never came, or failed."""
    stalled: StalledRule = field(default_factory=StalledRule)
    """No new frames, or nothing from the pipeline at all."""
    drift: DriftRule = field(default_factory=DriftRule)
    """The direct beam wanders over the detector."""
    trend: TrendRule = field(default_factory=TrendRule)
    """The intensity of a virtual image changes from line to line."""
    new_class: NewClassRule = field(default_factory=NewClassRule)
    """A class appears late in a scan."""
    area: AreaRule = field(default_factory=AreaRule)
    """A class covers much of what was scanned."""
    command: CommandConfig = field(default_factory=CommandConfig)
    """A program that is started for each alert."""
    webhook: WebhookConfig = field(default_factory=WebhookConfig)
    """An address that each alert is sent to as JSON."""
