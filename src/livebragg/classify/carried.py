"""Classes of the user in an analysis that begins anew: found again by the frames that they have."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livebragg.classify.user_classes import UserClasses
from livebragg.model import AnalysisSnapshot

_MOST = 0.5
"""Part of the frames of both that two classes must share to be the same: at most one can be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftClass:
    """A class as the user left it.

    Parameters
    ----------
    number : int
        Its id then.
    n_parts : int
        Classes of the analysis that it held, more than one after a join.
    family : str
    frames : NDArray[np.int64], shape (n,)
        Frames of its positions: they stay the same wherever they are mapped.
    name : str
        Empty where the user gave none.
    locked, divided : bool
    """

    number: int
    n_parts: int
    family: str
    frames: NDArray[np.int64]
    name: str
    locked: bool
    divided: bool

    @property
    def title(self) -> str:
        """What the user did to it, for notices."""
        done = {"joined": self.n_parts > 1, "locked": self.locked, "divided": self.divided}
        what = [f"called {self.name!r}"] if self.name else []
        return f"class {self.number} ({', '.join(what + [text for text, true in done.items() if true])})"


class CarriedClasses:
    """What the user did to classes, until classes of the new analysis are found to be the same ones.

    Parameters
    ----------
    user : UserClasses
        Of the old analysis.
    snapshot : AnalysisSnapshot
        Classes of the old analysis, without the user's joins.
    frames : NDArray[np.int64], shape (n_positions,)
        First frame of each of its positions.
    divided : collection of int
        Classes that were divided on request.
    """

    def __init__(
        self,
        user: UserClasses,
        snapshot: AnalysisSnapshot,
        frames: NDArray[np.int64],
        divided: Collection[int] = (),
    ) -> None:
        seen = snapshot.seen.reshape(-1)
        self._frames = np.sort(frames[seen])
        self._tried: list[int] = []
        self.left = _left(user, snapshot, frames, divided)

    def take(self, older: CarriedClasses) -> None:
        """Also look for what another one has not found yet."""
        self.left = [*older.left, *self.left]
        self._frames = np.union1d(self._frames, older._frames)

    def settle(
        self, user: UserClasses, snapshot: AnalysisSnapshot, frames: NDArray[np.int64], *, final: bool = False
    ) -> list[str]:
        """Do to the classes of the new analysis what was done to those of the old; returns what to tell.

        Looks when there are other classes than the last time, and at the end, when what is left is given up.
        """
        ids = snapshot.class_ids.tolist()
        if not self.left or (ids == self._tried and not final):
            return []
        first, self._tried = not self._tried, ids
        labels = np.where(np.isin(frames, self._frames), snapshot.labels.reshape(-1), -1)
        found, left = [], []
        for known in self.left:
            same = _same(known, labels, frames, snapshot)
            if same:
                keeps = user.restore(same, known.name, known.number, snapshot)
                found.append(f"{known.title} is class {keeps} now")
            else:
                left.append(known)
        self.left = [] if final else left
        told = [f"after everything was mapped anew, {', '.join(found)}"] if found else []
        if left and (first or final):
            names = ", ".join(known.title for known in left)
            told.append(
                f"not found again, and lost: {names}"
                if final
                else f"not found again yet after mapping anew: {names}"
            )
        return told


def _left(
    user: UserClasses, snapshot: AnalysisSnapshot, frames: NDArray[np.int64], divided: Collection[int]
) -> list[LeftClass]:
    labels, left = snapshot.labels.reshape(-1), []
    for number, family in zip(snapshot.class_ids.tolist(), snapshot.class_families, strict=True):
        parts = [number, *user.joined_with(number)]
        touched = len(parts) > 1 or number in user.names or number in user.locked or number in divided
        if user.is_joined(number) or not touched:
            continue
        left.append(
            LeftClass(
                number=number,
                n_parts=len(parts),
                family=family,
                frames=np.sort(frames[np.isin(labels, parts)]),
                name=user.names.get(number, ""),
                locked=number in user.locked,
                divided=number in divided,
            )
        )
    return left


def _same(
    known: LeftClass, labels: NDArray[np.int16], frames: NDArray[np.int64], snapshot: AnalysisSnapshot
) -> list[int]:
    """The classes that are what another was: the one with most of its frames, of a joined one all within it."""
    ids = [
        n for n, f in zip(snapshot.class_ids.tolist(), snapshot.class_families, strict=True) if f == known.family
    ]
    inside = np.isin(frames, known.frames)
    shared = np.array([np.count_nonzero(inside & (labels == number)) for number in ids])
    size = np.array([np.count_nonzero(labels == number) for number in ids])
    if known.n_parts == 1:
        same = shared > _MOST * (size + known.frames.size - shared)
    else:
        same = shared > _MOST * size
        same &= bool(shared[same].sum() > _MOST * known.frames.size)
    return [number for number, is_same in zip(ids, same, strict=True) if is_same]
