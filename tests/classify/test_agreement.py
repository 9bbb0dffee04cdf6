"""Half-ordered positions go with their neighbours, as far as chance could have moved them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from livebragg.classify.agreement import OrderAgreement

ROWS, COLS = 30, 40
N = ROWS * COLS
ONE_CLASS = np.zeros(N, np.int32)


def agreed_order(order, leader, cols, positions=None):
    """What the first update gives."""
    return OrderAgreement(cols).update(order, leader, positions)


def ramp(noise: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Order that falls along the lines, as it is and as it is measured."""
    true = np.tile(np.linspace(1, 0, COLS), ROWS)
    measured = np.clip(true + np.random.default_rng(seed).normal(0, noise, N), 0, 1)
    return true, measured.astype(np.float32)


def test_half_ordered_positions_are_told_by_less_chance() -> None:
    true, one = ramp(0.08, 1)
    agreed = [agreed_order(ramp(0.08, seed)[1], ONE_CLASS, COLS) for seed in (1, 2)]
    assert ((agreed[0] < 0.5) != (true < 0.5)).sum() < 0.5 * ((one < 0.5) != (true < 0.5)).sum()
    assert ((agreed[0] < 0.5) != (agreed[1] < 0.5)).sum() < 0.5 * ((one < 0.5) != (ramp(0.08, 2)[1] < 0.5)).sum()


def test_a_position_that_departs_from_its_neighbours_keeps_its_own() -> None:
    _, order = ramp(0.03)
    order[5 * COLS + 3], order[9 * COLS + 36] = 0.0, 1.0
    agreed = agreed_order(order, ONE_CLASS, COLS)
    assert agreed[5 * COLS + 3] == 0.0 and agreed[9 * COLS + 36] == 1.0


def test_a_sharp_border_stays_where_it_is() -> None:
    order = np.tile(np.repeat([0.9, 0.1], COLS // 2), ROWS).astype(np.float32)
    np.testing.assert_array_equal(agreed_order(order, ONE_CLASS, COLS) < 0.5, order < 0.5)


def test_what_is_not_known_is_taken_from_the_neighbours_of_the_same_class() -> None:
    order = np.full(N, 0.2, np.float32)
    leader = np.repeat([0, 1], N // 2).astype(np.int32)
    order[leader == 1] = np.nan
    order[3 * COLS] = np.nan
    agreed = agreed_order(order, leader, COLS)
    np.testing.assert_allclose(agreed[leader == 0], 0.2, rtol=1e-6)
    assert np.isnan(agreed[leader == 1]).all()


def test_positions_asked_for_alone_get_the_same_as_all_together() -> None:
    _, order = ramp(0.0)
    some = np.concatenate([np.arange(7 * COLS, 9 * COLS), np.arange(20 * COLS + 3, 20 * COLS + 9)])
    whole = agreed_order(order, ONE_CLASS, COLS)
    np.testing.assert_array_equal(agreed_order(order, ONE_CLASS, COLS, some)[some], whole[some])


def test_an_unfinished_last_line_is_no_obstacle() -> None:
    _, order = ramp(0.0)
    short = agreed_order(order[: N - 7], ONE_CLASS[: N - 7], COLS)
    assert short.shape == (N - 7,) and np.isfinite(short).all()


def test_a_position_changes_sides_only_when_it_is_clear_until_the_end() -> None:
    agreement = OrderAgreement(COLS)
    held = [agreement.update(ramp(0.08, seed)[1], ONE_CLASS) < 0.5 for seed in range(1, 9)]
    anew = [agreed_order(ramp(0.08, seed)[1], ONE_CLASS, COLS) < 0.5 for seed in range(1, 9)]
    changes, others = (sum((a != b).sum() for a, b in pairwise(sides)) for sides in (held, anew))
    assert 0 < changes < 0.7 * others
    last = ramp(0.08, 9)[1]
    np.testing.assert_array_equal(
        agreement.update(last, ONE_CLASS, final=True), agreed_order(last, ONE_CLASS, COLS)
    )


def test_a_position_that_clearly_was_on_the_other_side_changes_at_once() -> None:
    agreement, (_, order) = OrderAgreement(COLS), ramp(0.05)
    agreement.update(order, ONE_CLASS)
    again = agreement.update(1 - order, ONE_CLASS)
    clear = np.abs(order - 0.5) > 0.3
    np.testing.assert_array_equal(again[clear] < 0.5, order[clear] > 0.5)


def test_another_class_is_not_held_to_what_the_former_was() -> None:
    agreement, (_, order) = OrderAgreement(COLS), ramp(0.05)
    agreement.update(order, ONE_CLASS)
    other = agreement.update(1 - order, ONE_CLASS + 1)
    np.testing.assert_array_equal(other, agreed_order(1 - order, ONE_CLASS + 1, COLS))


def test_lines_looked_at_one_by_one_are_held_to_their_side_like_the_whole_scan() -> None:
    order = np.random.default_rng(3).normal(0.5, 0.06, (2, N)).astype(np.float32)
    cols = 8  # too few positions in a line to tell by how much they scatter
    agreement = OrderAgreement(cols)
    before = agreement.update(order[0], ONE_CLASS).copy()
    for line in range(N // cols):
        after = agreement.update(order[1], ONE_CLASS, np.arange(cols) + line * cols)
    changed = ((after < 0.5) != (before < 0.5)).mean()
    free = ((agreed_order(order[1], ONE_CLASS, cols) < 0.5) != (before < 0.5)).mean()
    assert changed < 0.7 * free


def test_what_no_longer_fades_is_forgotten_and_what_fades_later_is_seen() -> None:
    agreement, (_, order) = OrderAgreement(COLS), ramp(0.05)
    nothing = np.full(N, np.nan, np.float32)
    assert np.isnan(agreement.update(nothing, ONE_CLASS)).all()
    np.testing.assert_array_equal(agreement.update(order, ONE_CLASS), agreed_order(order, ONE_CLASS, COLS))
    assert np.isnan(agreement.update(nothing, ONE_CLASS)).all()
