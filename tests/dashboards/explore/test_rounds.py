"""What a page asks next."""

from __future__ import annotations

from livebragg_dashboards.asking.inquiries import Answer, Question
from livebragg_dashboards.explore.rounds import Rounds


def question(slot: str, key: object = 0) -> Question:
    return Question(slot, key, None)


class Page:
    """Asks until there is nothing left; every question is answered at once."""

    def __init__(self) -> None:
        self.rounds, self.answers = Rounds(), dict[str, Answer]()

    def asked(self, wanted: list[Question], revision: int, most: int = 10) -> list[tuple[str, bool]]:
        found = []
        while len(found) < most and (next_ := self.rounds.next(wanted, self.answers, revision)):
            found.append((next_.slot, next_.urgent))
            self.answers[next_.slot] = Answer(next_, "reply")
        return found


A, B, C = question("a"), question("b"), question("c")


def test_everything_is_asked_once_and_again_when_there_is_news() -> None:
    page = Page()
    assert page.asked([A, B, C], 1) == [("a", True), ("b", True), ("c", True)]
    assert page.asked([A, B, C], 2) == [("a", False), ("b", False), ("c", False)]
    assert page.asked([A, B, C], 2) == []


def test_when_news_come_faster_than_answers_all_have_their_turn() -> None:
    page = Page()
    page.asked([A, B, C], 0)
    turns = [page.asked([A, B, C], revision, most=1)[0][0] for revision in range(1, 7)]
    assert turns == ["a", "b", "c", "a", "b", "c"]


def test_what_is_new_goes_first_and_what_is_gone_is_not_asked() -> None:
    page = Page()
    page.asked([A, B], 1)
    moved = question("b", key=1)
    assert page.asked([A, moved], 2, most=1) == [("b", True)]
    assert page.asked([A], 3) == [("a", False)]


def test_one_question_is_on_the_way_at_a_time() -> None:
    rounds = Rounds()
    assert rounds.next([A, B], {}, 1) is not None
    assert rounds.next([A, B], {}, 2) is None
    rounds.forget()
    assert rounds.next([A, B], {}, 2) is not None
