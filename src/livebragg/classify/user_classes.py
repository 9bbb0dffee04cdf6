"""What the user did to the classes: laid over what the analysis finds, so that it outlives every refresh."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import ClassRequestError
from livebragg.model import AnalysisEvent, AnalysisSnapshot, ClassFamily

_LONGEST_NAME = 60

T = TypeVar("T", bound=np.generic)


class Shown(Protocol):
    """What has to be known of the classes that a user sees, to change them: a `ClassList` or a whole snapshot."""

    @property
    def class_ids(self) -> NDArray[np.int16]: ...
    @property
    def class_families(self) -> tuple[ClassFamily, ...]: ...
    @property
    def seen(self) -> NDArray[np.bool_]: ...


@dataclass(frozen=True, slots=True)
class ClassList:
    """The classes of a moment.

    Parameters
    ----------
    class_ids : NDArray[np.int16], shape (n,)
    class_families : tuple of str
        Of each class.
    seen : NDArray[np.bool_]
        Whether each position has been seen.
    """

    class_ids: NDArray[np.int16]
    class_families: tuple[ClassFamily, ...]
    seen: NDArray[np.bool_]


class UserClasses:
    """Classes that the user joined or named.

    The analysis below goes on as if nothing had happened; its classes keep their ids, and a join is laid over each
    new snapshot. So nothing is lost: weights, shares and positions of joined classes add up exactly, and joins can
    be taken back. What the analysis does for the user (locking, dividing) is only noted here.

    Parameters
    ----------
    clock : callable
        Time of an event; ``None`` where there is no clock.
    """

    def __init__(self, clock: Callable[[], float | None] = lambda: None) -> None:
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._into: dict[int, int] = {}
        self.locked: set[int] = set()
        self.names: dict[int, str] = {}
        self._events: list[AnalysisEvent] = []

    @property
    def n_changes(self) -> int:
        """What the user did so far."""
        return len(self._events)

    def merge(self, class_ids: Sequence[int], shown: Shown) -> int:
        """Join classes as they are `shown` (by `apply` or `joined`); returns the id that they keep, the lowest.

        Raises
        ------
        ClassRequestError
            Fewer than two classes, one that is not shown, or classes of different families.
        """
        ids = sorted(set(class_ids))
        if len(ids) < 2:
            raise ClassRequestError(f"it takes two classes to join, not {len(ids)}")
        families = {_family(shown, number) for number in ids}
        if len(families) > 1:
            raise ClassRequestError(
                f"classes of the families {' and '.join(sorted(families))} cannot be joined: their weights have "
                "different units"
            )
        self._check_unlocked(ids, "joined")
        keeps = self._join(ids)
        self._note(shown, "class_joined_by_user", keeps, f"with {', '.join(map(str, ids[1:]))}")
        return keeps

    def split(self, class_id: int, shown: Shown) -> list[int]:
        """Take the joins of a class back; returns the ids that come back.

        Raises
        ------
        ClassRequestError
            The class is not shown, or was not joined by the user.
        """
        _family(shown, class_id)
        self._check_unlocked([class_id], "taken apart")
        back = self.joined_with(class_id)
        if not back:
            raise ClassRequestError(f"class {class_id} was not joined with any other: no join can be taken back")
        for number in back:
            del self._into[number]
        self._note(shown, "class_divided_by_user", class_id, f"{', '.join(map(str, back))} come back")
        return back

    def begin_again(self, old: UserClasses) -> None:
        """Take over the record of what was done, where another analysis with other ids takes the place of one."""
        self._events = list(old._events)

    def restore(self, class_ids: Sequence[int], name: str, was: int, shown: Shown) -> int:
        """Join and name classes as one was in an analysis before; returns the id that they keep.

        What was done to them since then counts more.
        """
        keeps = self._join(sorted({self._into.get(number, number) for number in class_ids}))
        if name and keeps not in self.names and name not in self.names.values():
            self.names[keeps] = name
        self._note(shown, "class_carried_over", keeps, f"class {was} before everything was mapped anew")
        return keeps

    def check_shown(self, class_id: int, shown: Shown) -> None:
        """Raise `ClassRequestError` unless the class is shown."""
        _family(shown, class_id)

    def joined_with(self, class_id: int) -> list[int]:
        """The other classes that a class holds because the user joined them."""
        return sorted(old for old, new in self._into.items() if new == class_id)

    def is_joined(self, class_id: int) -> bool:
        """Whether another class holds this one because the user joined them."""
        return class_id in self._into

    def note_division(self, class_id: int, new: int, shown: Shown) -> None:
        """Put into the events that the analysis divided a class because the user asked for it."""
        self._note(shown, "class_divided_by_user", class_id, f"class {new} is new")

    def note_lock(self, class_ids: Sequence[int], locked: bool, shown: Shown) -> None:
        """Remember, and put into the events, that classes are locked, or are not any more."""
        self.locked = self.locked | set(class_ids) if locked else self.locked - set(class_ids)
        for number in class_ids:
            self._note(shown, "class_locked_by_user" if locked else "class_unlocked_by_user", number, "")

    def note_number(self, n_classes: int, shown: Shown) -> None:
        """Put into the events that the user asked for a number of classes."""
        self._note(shown, "class_number_by_user", n_classes, "0 leaves it to the data" if not n_classes else "")

    def rename(self, class_id: int, name: str, shown: Shown) -> None:
        """Give a class a name.

        Raises
        ------
        ClassRequestError
            The class is not shown, or the name is empty, too long, unprintable or taken.
        """
        _family(shown, class_id)
        name = name.strip()
        if not (1 <= len(name) <= _LONGEST_NAME and name.isprintable()):
            raise ClassRequestError(f"a name has 1 to {_LONGEST_NAME} printable characters, not {name[:80]!r}")
        if any(other == name and number != class_id for number, other in self.names.items()):
            raise ClassRequestError(f"another class is called {name!r} already")
        self.names[class_id] = name
        self._note(shown, "class_renamed_by_user", class_id, name)

    def joined(self, listed: ClassList) -> ClassList:
        """The classes as `apply` shows them, without anything else."""
        families: dict[int, ClassFamily] = {}
        for number, family in zip(listed.class_ids.tolist(), listed.class_families, strict=True):
            families.setdefault(self._into.get(number, number), family)
        ids = sorted(families)
        return ClassList(np.array(ids, np.int16), tuple(families[number] for number in ids), listed.seen)

    def apply(self, snapshot: AnalysisSnapshot) -> AnalysisSnapshot:
        """The snapshot as the user wants to see it; the given one is not changed."""
        events = tuple(sorted([*snapshot.events, *self._events], key=lambda event: event.positions_seen))
        ids = [int(c) for c in snapshot.class_ids]
        shown = [self._into.get(number, number) for number in ids]
        if shown == ids:
            return replace(snapshot, events=events)
        kept = np.array(sorted(set(shown)), np.int16)
        rows = [np.flatnonzero(np.array(shown) == number) for number in kept]
        labels = snapshot.labels.copy()
        for old, new in zip(ids, shown, strict=True):
            labels[snapshot.labels == old] = new
        strength = np.nansum(snapshot.weights, axis=(1, 2))
        return replace(
            snapshot,
            events=events,
            labels=labels,
            class_ids=kept,
            class_families=tuple(snapshot.class_families[r[0]] for r in rows),
            class_positions=_added(snapshot.class_positions, rows),
            class_fractions=_added(snapshot.class_fractions, rows),
            weights=_added(snapshot.weights, rows),
            shares=_added(snapshot.shares, rows),
            class_vector_maps=_added(snapshot.class_vector_maps, rows),
            class_patterns=np.stack([_direction(snapshot.class_patterns[r], strength[r]) for r in rows]),
            class_profiles=np.stack(
                [_mean(snapshot.class_profiles[r], snapshot.class_positions[r]) for r in rows]
            ),
        )

    def _join(self, ids: list[int]) -> int:
        """Join classes, given in rising order; returns the id that they keep."""
        keeps = ids[0]
        self._into = {old: keeps if new in ids else new for old, new in self._into.items()}
        self._into |= dict.fromkeys(ids[1:], keeps)
        return keeps

    def _check_unlocked(self, class_ids: Sequence[int], what: str) -> None:
        for number in class_ids:
            if number in self.locked:
                raise ClassRequestError(f"class {number} is locked: unlock it before it is {what}")

    def _note(self, shown: Shown, kind: str, subject: int, detail: str) -> None:
        seen = int(shown.seen.sum())
        self._events.append(
            AnalysisEvent(positions_seen=seen, kind=kind, subject=subject, detail=detail, at=self._clock())
        )


def _family(shown: Shown, class_id: int) -> str:
    for number, family in zip(shown.class_ids, shown.class_families, strict=True):
        if number == class_id:
            return family
    known = ", ".join(map(str, shown.class_ids))
    raise ClassRequestError(f"there is no class {class_id} now; there are {known or 'none yet'}")


def _added(values: NDArray[T], rows: list[NDArray[np.int64]]) -> NDArray[T]:
    return np.stack([values[r].sum(axis=0, dtype=values.dtype) for r in rows])


def _direction(patterns: NDArray[np.float32], strength: NDArray[np.float32]) -> NDArray[np.float32]:
    """Unit vector of the sum of what the classes explain."""
    total = (patterns * strength[:, None]).sum(axis=0)
    length = float(np.sqrt((total**2).sum()))
    return np.asarray(total / length if length else total, np.float32)


def _mean(profiles: NDArray[np.float32], positions: NDArray[np.int64]) -> NDArray[np.float32]:
    """Mean over positions of the profiles that are known, shape (2, bins)."""
    weight = np.where(np.isfinite(profiles), positions[:, None, None], 0)
    total = weight.sum(axis=0)
    summed = (np.nan_to_num(profiles) * weight).sum(axis=0)
    return np.asarray(np.where(total > 0, summed / np.maximum(total, 1), np.nan), np.float32)
