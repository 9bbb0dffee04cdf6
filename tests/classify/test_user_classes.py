"""Joins and names of the user are exact, survive refreshes, and are logged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from livebragg.classify import ClassList, UserClasses
from livebragg.errors import ClassRequestError
from livebragg.model import AnalysisEvent, AnalysisSnapshot, MapGeometry, TrackedPeaks

NONE = np.zeros(0, np.float32)


def snapshot(ids=(0, 1, 2, 3), families=("crystal", "crystal", "crystal", "amorphous")) -> AnalysisSnapshot:
    random = np.random.default_rng(len(ids))
    n, shape = len(ids), (4, 5)
    weights = random.random((n, *shape)).astype(np.float32)
    weights[:, 3] = np.nan
    labels = np.where(np.isnan(weights[0]), -1, np.array(ids)[np.nan_to_num(weights).argmax(axis=0)]).astype(
        np.int16
    )
    positions = np.array([(labels == c).sum() for c in ids], np.int64)
    image = np.zeros(shape, np.float32)
    return AnalysisSnapshot(
        version=1, seen=labels >= 0, labels=labels, confidence=image, class_ids=np.array(ids, np.int16),
        class_families=families, class_positions=positions,
        class_fractions=(positions / 15).astype(np.float32), weights=weights,
        shares=(weights / weights.sum(axis=0)).astype(np.float32),
        class_patterns=random.random((n, 6)).astype(np.float32),
        class_vector_maps=random.random((n, 3, 3)).astype(np.float32), profile_radii=np.ones(2, np.float32),
        class_profiles=np.ones((n, 2, 2), np.float32), virtual_images={}, n_disks=image, bragg_intensity=image,
        origin=np.zeros((*shape, 2), np.float32), bragg_vector_map=np.zeros((3, 3), np.float32),
        map_geometry=MapGeometry(shape=(3, 3), sampling=1.0),
        peaks=TrackedPeaks(peak_id=np.arange(6, dtype=np.int32), qx=NONE, qy=NONE, support=NONE, significance=NONE,
                           covariance=NONE),
        events=(AnalysisEvent(positions_seen=99, kind="peak_born", subject=0),), residual=0.0,
        sum_pattern=np.zeros((2, 2)), duplicates=0, finished=False,
    )  # fmt: skip


def test_a_join_conserves_weights_shares_positions_and_disks() -> None:
    user, before = UserClasses(), snapshot()
    assert user.merge([2, 0], before) == 0
    after = user.apply(before)
    assert after.class_ids.tolist() == [0, 1, 3]
    assert after.class_families == ("crystal", "crystal", "amorphous")
    for name in ("weights", "shares", "class_vector_maps"):
        one, other = getattr(before, name), getattr(after, name)
        np.testing.assert_allclose(other.sum(axis=0), one.sum(axis=0), rtol=1e-6)
        np.testing.assert_allclose(other[0], one[0] + one[2], rtol=1e-6)
    assert after.class_positions.sum() == before.class_positions.sum()
    assert (after.labels[before.labels == 2] == 0).all()
    assert np.linalg.norm(after.class_patterns[0]) == pytest.approx(1)
    assert (before.labels == 2).any()  # the given one is as it was


def test_the_list_of_classes_is_that_of_the_snapshot() -> None:
    user, before = UserClasses(), snapshot()
    plain = ClassList(before.class_ids, before.class_families, before.seen)
    user.merge([2, 0], user.joined(plain))
    for made in (snapshot(), snapshot((1, 2, 5), ("crystal", "crystal", "vacuum"))):
        listed, shown = user.joined(ClassList(made.class_ids, made.class_families, made.seen)), user.apply(made)
        assert listed.class_ids.tolist() == shown.class_ids.tolist()
        assert listed.class_families == shown.class_families


def test_a_join_outlives_refreshes_also_when_its_first_class_is_gone() -> None:
    user = UserClasses()
    user.merge([1, 2], snapshot())
    later = user.apply(snapshot(ids=(0, 2, 3, 4), families=("crystal", "crystal", "amorphous", "crystal")))
    assert later.class_ids.tolist() == [0, 1, 3, 4]
    assert later.class_families == ("crystal", "crystal", "amorphous", "crystal")


def test_joins_can_be_joined_and_taken_back() -> None:
    user, before = UserClasses(), snapshot()
    user.merge([1, 2], before)
    user.merge([0, 1], user.apply(before))
    assert user.apply(before).class_ids.tolist() == [0, 3]
    assert user.split(0, user.apply(before)) == [1, 2]
    np.testing.assert_array_equal(user.apply(before).labels, before.labels)


def test_everything_is_logged_in_the_order_of_the_scan() -> None:
    user, before = UserClasses(clock=lambda: 0.0), snapshot()
    user.rename(1, " gold [001] ", before)
    user.merge([0, 1], before)
    user.split(0, user.apply(before))
    events = user.apply(before).events
    assert [e.kind for e in events] == [
        "class_renamed_by_user", "class_joined_by_user", "class_divided_by_user", "peak_born"
    ]  # fmt: skip
    assert (events[0].positions_seen, events[0].detail) == (15, "gold [001]")
    user.reset()
    assert user.apply(before).events == before.events and not user.names


@pytest.mark.parametrize(
    ("do", "reason"),
    [
        (lambda u, s: u.merge([1], s), "takes two classes"),
        (lambda u, s: u.merge([1, 1], s), "takes two classes"),
        (lambda u, s: u.merge([1, 9], s), "no class 9 now; there are 0, 1, 2, 3"),
        (lambda u, s: u.merge([1, 3], s), "families amorphous and crystal"),
        (lambda u, s: u.split(1, s), "was not joined"),
        (lambda u, s: u.split(-1, s), "no class -1"),
        (lambda u, s: u.rename(1, "  ", s), "1 to 60 printable"),
        (lambda u, s: u.rename(1, "a\nb", s), "1 to 60 printable"),
        (lambda u, s: u.rename(1, "x" * 61, s), "1 to 60 printable"),
        (lambda u, s: (u.rename(0, "a", s), u.rename(1, "a", s)), "called 'a' already"),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(do, reason) -> None:
    user, before = UserClasses(), snapshot()
    with pytest.raises(ClassRequestError, match=reason):
        do(user, before)
    np.testing.assert_array_equal(user.apply(before).class_ids, replace(before).class_ids)
