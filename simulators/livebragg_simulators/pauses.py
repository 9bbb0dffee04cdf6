"""When a detector takes no frames: the beam flies back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pauses:
    """The beam flies back after each line, and the detector waits for its next trigger."""

    seconds: float = 0.0
    frames: int = 1
    """Of a line, those during the fly-back included."""

    def before(self, frame: int) -> float:
        """Seconds of all pauses before a frame."""
        return frame // self.frames * self.seconds

    def within(self, first: int, stop: int) -> int:
        """Where frames that follow each other without a pause end, `stop` at most."""
        return min(stop, (first // self.frames + 1) * self.frames) if self.seconds else stop
