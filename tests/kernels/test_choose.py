"""Which weak disks a frame keeps when it is left to decide."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg.detect.plan import build_plan
from livebragg.kernels.choose import are_weak_ones, keep_likely, set_levels
from livebragg.kernels.near import DISK, NONE
from livebragg.kernels.plan import FIT_COLUMNS, OWNER, SIGNIFICANCE

SHAPE = (40, 52)


@pytest.fixture
def balanced(probe):
    """Plan that leaves the number of false disks to the frame."""
    return build_plan(probe, SHAPE, false_disks_per_frame=None, min_spacing=None, bad_pixels=None)


def bright(plan, scratch, electrons=1000.0):
    """A frame with so many electrons of background under a disk."""
    scratch.level[:] = electrons / plan.whole_disk
    set_levels(plan, scratch)


def fits(significances):
    """Disks of these significances, each its own candidate."""
    table = np.zeros((len(significances) + 1, len(FIT_COLUMNS)))
    table[: len(significances), SIGNIFICANCE] = significances
    table[:, OWNER] = np.arange(len(table))
    return table


def test_the_levels_rise_from_weak_to_likely_to_sure(balanced):
    assert balanced.threshold < balanced.likely < balanced.sure
    assert balanced.loose == pytest.approx(0.75 * balanced.threshold)


@pytest.mark.parametrize(
    ("below", "above", "strong", "evident"),
    [(0, 0, 5, False), (2, 0, 2, False), (4, 0, 5, True), (1, 7, 5, True), (0, 2, 5, False), (0, 12, 0, True)],
)
def test_weak_disks_are_looked_for_when_those_about_the_sure_level_show_them(
    balanced, scratch, below, above, strong, evident
):
    bright(balanced, scratch)
    table = fits(
        [0.5 * (balanced.likely + balanced.sure)] * below + [1.2 * balanced.sure] * above + [30.0] * strong
    )
    assert are_weak_ones(balanced, scratch, len(table) - 1, table) is evident


def test_without_evidence_only_what_is_sure_stays(balanced, scratch):
    table = fits([balanced.sure - 0.01, 9.0, balanced.sure + 0.01, balanced.likely])
    scratch.state[:4] = DISK
    bright(balanced, scratch)
    assert keep_likely(balanced, scratch, 4, False, table) == 2
    assert table[:2, OWNER].tolist() == [1, 2]
    assert scratch.state[:4].tolist() == [NONE, DISK, DISK, NONE]


def test_with_evidence_many_weak_disks_stay_and_a_few_do_not(balanced, scratch):
    level = 0.5 * (balanced.threshold + balanced.likely)
    bright(balanced, scratch)
    many = fits([level] * 20 + [9.0] * 5)
    assert keep_likely(balanced, scratch, 25, True, many) == 25
    few = fits([level] * 2 + [9.0] * 5)
    assert keep_likely(balanced, scratch, 7, True, few) == 5


def test_few_electrons_make_up_fewer_disks_so_more_are_kept(balanced, scratch):
    level = balanced.threshold + 0.05
    some = fits([level] * 5 + [9.0] * 5)
    bright(balanced, scratch)
    assert keep_likely(balanced, scratch, 10, True, some.copy()) == 5
    bright(balanced, scratch, 0.05)
    assert keep_likely(balanced, scratch, 10, True, some.copy()) == 10


def test_the_levels_of_a_bright_frame_are_the_plans_and_fewer_electrons_need_less(balanced, scratch):
    bright(balanced, scratch)
    np.testing.assert_allclose(scratch.least, [balanced.threshold, balanced.likely, balanced.sure], rtol=1e-3)
    before = scratch.least.copy()
    for electrons in (1.0, 0.3, 0.1, 0.0):
        bright(balanced, scratch, electrons)
        assert (scratch.least <= before).all()
        before = scratch.least.copy()
    assert scratch.least.min() >= 2.0
