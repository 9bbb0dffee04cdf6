from __future__ import annotations

import numpy as np

from livebragg.classify import ClassLabeler, GrowingNMF
from livebragg.config.analysis import ClassifyConfig


def labelled(view, seen=None):
    config = ClassifyConfig()
    nmf, labeler = GrowingNMF(config), ClassLabeler(config)
    nmf.update(view, np.arange(view.count.size))
    seen = np.ones(view.count.size, np.bool_) if seen is None else seen
    labeler.update(view, nmf.view, seen)
    return labeler.maps


def test_positions_with_few_peaks_form_a_family_of_their_own(grains):
    view, _ = grains(regions=2)
    view.tracked[:40] = 1
    classes = labelled(view)
    number = classes.class_ids[classes.families.index("no_bragg")]
    assert (classes.labels[:40] == number).all()
    assert (classes.labels[40:] != number).all()
    assert classes.weights[classes.families.index("no_bragg")].sum() == 40


def test_many_disks_on_no_tracked_peak_are_a_polycrystal(grains):
    view, _ = grains(regions=2)
    view.tracked[:40], view.loose[:40] = 1, 20
    classes = labelled(view)
    assert (classes.labels[:40] == classes.class_ids[classes.families.index("polycrystal")]).all()


def test_a_position_much_fainter_than_its_class_is_not_crystal(grains):
    view, _ = grains(regions=2)
    view.norm[100:110] *= 0.2
    classes = labelled(view)
    number = classes.class_ids[classes.families.index("no_bragg")]
    assert np.flatnonzero(classes.labels == number).tolist() == list(range(100, 110))


def test_unseen_positions_have_no_label_and_no_confidence(grains):
    view, _ = grains(regions=2)
    seen = np.arange(view.count.size) < 300
    classes = labelled(view, seen)
    assert (classes.labels[300:] == -1).all() and (classes.labels[:300] >= 0).all()
    assert np.isnan(classes.confidence[300:]).all()


def test_weights_are_in_units_of_the_features(grains):
    view, _ = grains(regions=2)
    weight = labelled(view).weights.max(axis=0)
    np.testing.assert_allclose(np.median(weight / view.norm), 0.95, atol=0.06)
