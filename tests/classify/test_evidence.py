"""Likelihood of light under each class, and what neighbours add."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg.classify.evidence import coupling, light_evidence, neighbours


def classes(light=2.0):
    typical = np.zeros((4, 80), np.float32)
    for k in range(4):
        typical[k, 20 * k : 20 * k + 20] = light * np.random.default_rng(k).uniform(0.5, 1.5, 20)
    return typical


def test_the_class_of_faint_light_is_the_likeliest():
    typical, rng = classes(1.2), np.random.default_rng(9)
    label = np.repeat(np.arange(5), 60)
    light = np.vstack([typical, np.zeros((1, 80), np.float32)])[label] + rng.normal(0, 0.6, (300, 80))
    evidence, strength = light_evidence(light.astype(np.float32), typical)
    assert (evidence.argmax(axis=1) == label).mean() > 0.97
    assert np.median(strength) == pytest.approx(1.2 * np.sqrt(20) / 0.6 * np.sqrt(3 / 4), rel=0.2)


def test_half_of_the_light_of_a_class_is_as_likely_as_none():
    typical = classes(2.0)
    evidence, _ = light_evidence(0.5 * typical[[1]], typical)
    assert evidence[0, 1] == pytest.approx(evidence[0, 4], abs=1e-3)


def test_light_that_no_class_has_at_a_peak_makes_no_class():
    typical = classes(2.0)
    light = np.zeros((1, 80), np.float32)
    light[0, 25] = 40.0
    assert light_evidence(light, typical)[0].argmax() == 4


def test_light_at_all_peaks_alike_is_no_class():
    typical = classes(2.0)
    halo = np.random.default_rng(2).normal(1.5, 0.5, (100, 80)).astype(np.float32)
    assert (light_evidence(halo, typical)[0].argmax(axis=1) == 4).all()


def test_neighbours_are_those_on_the_same_and_the_next_lines():
    kind = np.array([0, 1, 1, 0, -1, 1, 0, 0, 1])
    assert neighbours(np.array([4, 0, 5]), kind, 3, 2).tolist() == [[4, 4], [1, 1], [1, 3]]


def test_domains_couple_neighbours_and_noise_does_not():
    domains = np.repeat(np.repeat(np.arange(3), 10)[None], 30, axis=0).ravel()
    noise = np.random.default_rng(0).integers(0, 3, 900)
    where = np.arange(900)
    values = [coupling(kind, neighbours(where, kind, 30, 3)) for kind in (domains, noise)]
    assert values[0] > 1.0
    assert values[1] < 0.2
    assert coupling(np.zeros(0, np.int64), np.zeros((0, 3), np.float32)) == 0


def test_light_that_is_not_known_is_no_sign_of_no_crystal():
    rng = np.random.default_rng(4)
    typical = np.kron(np.eye(3), np.ones(20)).astype(np.float32)
    roots = (typical[np.zeros(50, np.int64)] + rng.normal(0, 0.5, (50, 60))).astype(np.float32)
    roots[:, 12:40] = np.nan
    evidence, _ = light_evidence(roots, typical)
    assert (evidence.argmax(axis=1) == 0).mean() > 0.95
