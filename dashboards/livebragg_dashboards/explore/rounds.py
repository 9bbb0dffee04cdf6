"""What one page asks next: first what is new, then what was asked longest ago if there is new data."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

from livebragg_dashboards.asking.inquiries import Answer, Question


class Rounds:
    """Keeps one question of a page on the way.

    Examples
    --------
    >>> rounds = Rounds()
    >>> a, b = Question("a", 1, None), Question("b", 1, None)
    >>> [rounds.next([a, b], {}, revision=7).slot, rounds.next([a, b], {}, revision=7)]
    ['a', None]
    >>> first = Answer(a, "reply")
    >>> rounds.next([a, b], {"a": first}, revision=8).slot
    'b'
    """

    def __init__(self) -> None:
        self._asked: dict[str, tuple[Hashable, Hashable]] = {}
        self._away: tuple[str, Answer | None] | None = None

    def next(
        self, wanted: Sequence[Question], answers: Mapping[str, Answer], revision: Hashable
    ) -> Question | None:
        """The question to ask now, if there is one and none is on the way.

        Parameters
        ----------
        wanted : sequence of Question
            Everything that the page shows.
        answers : mapping
            What has been answered so far, by slot.
        revision
            Changes when there is new data.
        """
        if self._away is not None and answers.get(self._away[0]) is self._away[1]:
            return None
        self._away = None
        slots = {question.slot for question in wanted}
        self._asked = {slot: asked for slot, asked in self._asked.items() if slot in slots}
        question = self._new(wanted) or self._oldest(wanted, revision)
        if question is None:
            return None
        self._asked.pop(question.slot, None)
        self._asked[question.slot] = (question.key, revision)
        self._away = (question.slot, answers.get(question.slot))
        return question

    def forget(self) -> None:
        """The answers are gone, and what was on the way does not come."""
        self._asked, self._away = {}, None

    def _new(self, wanted: Sequence[Question]) -> Question | None:
        for question in wanted:
            if self._asked.get(question.slot, (None,))[0] != question.key:
                return replace(question, urgent=True)
        return None

    def _oldest(self, wanted: Sequence[Question], revision: Hashable) -> Question | None:
        by_slot = {question.slot: question for question in wanted}
        for slot, (_, asked) in self._asked.items():
            if asked != revision:
                return by_slot[slot]
        return None
