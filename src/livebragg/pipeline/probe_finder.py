"""Decides when and from which frames the probe is measured, and remembers what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from livebragg.config.detection import ProbeConfig
from livebragg.model import ProbeShape
from livebragg.wire.messages import Piece

MAX_PROBE_FRAMES = 1024
"""Frames tried together; when none of them has a usable beam, the search begins again with newer ones."""


def fixed_probe(config: ProbeConfig) -> ProbeShape | None:
    """The probe when it is configured whole, so that nothing needs to be measured."""
    if config.radius is None or config.edge_width is None or config.center is None:
        return None
    return ProbeShape(radius=config.radius, edge_width=config.edge_width, center=config.center)


@dataclass(slots=True)
class ProbeFinder:
    """The search for the probe of one acquisition.

    Parameters
    ----------
    wanted_frames : int
        Frames to try first; each failure quadruples the number.
    wait_s : float
        Seconds after which fewer frames will do.
    """

    wanted_frames: int
    wait_s: float
    opened_at: float
    """When the acquisition began."""
    probe: ProbeShape | None = None
    failed: str = ""
    """Why there will never be a probe."""
    _asked: int | None = None
    _tried_frames: int = 0
    problem: str = ""
    """What was wrong with the frames tried."""
    _pieces: list[Piece] = field(default_factory=list)
    _have: int = 0
    _wanted: int = 0
    _since: float = 0.0
    _losses: int = 0

    def __post_init__(self) -> None:
        self._wanted, self._since = self.wanted_frames, self.opened_at

    def add(self, piece: Piece) -> None:
        """A payload that could be used."""
        if self.probe is None and self._have < MAX_PROBE_FRAMES:
            self._pieces.append(piece)
            self._have += piece.n_frames

    def pieces_to_measure(self, now: float, ended: bool) -> list[Piece] | None:
        """Payloads to measure now; ``None`` while it is too early or a measurement is under way."""
        if self.probe is not None or self.failed or self._asked is not None or self._have <= self._tried_frames:
            return None
        if self._have < self._wanted and now - self._since < self.wait_s and not ended:
            return None
        return list(self._pieces)

    def asked(self, job_id: int) -> None:
        """A worker measures."""
        self._asked = job_id
        self._tried_frames = self._have

    def lost(self) -> int:
        """The worker that measured is gone; ask another. Returns how often that happened with these frames."""
        self._asked = None
        self._tried_frames = 0
        self._losses += 1
        return self._losses

    def begin_again(self, problem: str) -> None:
        """Frames so far are hopeless: take newer ones."""
        self.problem = problem
        self._pieces, self._have, self._tried_frames, self._losses = [], 0, 0, 0
        self._wanted = self.wanted_frames

    @property
    def needs_more(self) -> bool:
        """Whether all frames so far were tried in vain."""
        return self.probe is None and self._asked is None and 0 < self._have <= self._tried_frames

    def is_asked(self, job_id: int) -> bool:
        """Whether this measurement is the one that is awaited."""
        return self._asked == job_id

    def answered(self, probe: ProbeShape | None, problem: str, now: float) -> bool:
        """What the worker found; False when the frames so far are hopeless and newer ones are needed."""
        self._asked = None
        self.probe, self.problem = probe, problem
        self._wanted = self._tried_frames * 4
        self._since = now
        if probe is not None or self._tried_frames < MAX_PROBE_FRAMES:
            return True
        self.begin_again(problem)
        return False

    def give_up(self) -> None:
        """No more frames will come: what was tried is all there is."""
        if self.probe is None and self._asked is None and self._have <= self._tried_frames:
            self.failed = self.problem or "no frame came"
