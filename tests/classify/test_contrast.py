from __future__ import annotations

import numpy as np

from livebragg.classify.contrast import class_contrast


def patterns(rng, classes=4, peaks=80):
    each = np.zeros((classes, peaks))
    for k in range(classes):
        each[k, 20 * k : 20 * k + 20] = rng.uniform(0.5, 1.5, 20)
    return (each / np.linalg.norm(each, axis=1, keepdims=True)).astype(np.float32)


def test_light_too_faint_for_any_single_disk_shows_the_class():
    rng = np.random.default_rng(0)
    known = patterns(rng)
    label = np.repeat(np.arange(4), 50)
    roots = (6 * known[label] + rng.normal(0, 0.6, (200, 80))).astype(np.float32)
    contrast = class_contrast(roots, known)
    assert (contrast.argmax(axis=1) == label).mean() > 0.98
    assert np.median(contrast.max(axis=1)) > 7


def test_light_at_the_peaks_of_all_classes_shows_none():
    rng = np.random.default_rng(1)
    roots = (2.0 + 3 * patterns(rng).mean(axis=0) + rng.normal(0, 0.6, (300, 80))).astype(np.float32)
    assert (class_contrast(roots, patterns(np.random.default_rng(1))).max(axis=1) < 5).mean() > 0.99


def test_a_hot_pixel_shows_none():
    known = patterns(np.random.default_rng(2))
    roots = np.zeros((1, 80), np.float32)
    roots[0, 3] = 9.0
    assert class_contrast(roots, known).max() == 0


def test_unknown_light_is_no_light():
    rng = np.random.default_rng(3)
    known = patterns(rng)
    roots = (8 * known[[1]] + rng.normal(0, 0.6, (1, 80))).astype(np.float32)
    roots[0, 60:] = np.nan
    assert class_contrast(roots, known).argmax() == 1
    assert not class_contrast(np.full((1, 80), np.nan, np.float32), known).any()


def test_one_class_stands_out_against_nothing():
    assert not class_contrast(np.ones((3, 80), np.float32), patterns(np.random.default_rng(4))[:1]).any()
