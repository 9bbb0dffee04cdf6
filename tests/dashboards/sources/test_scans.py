"""The list of scans as the page gets it, from a list that may hold anything."""

from __future__ import annotations

import base64
import json

import numpy as np

from livebragg.model import FAMILIES, ScanSummary
from livebragg.wire.messages import ScanHistory
from livebragg_dashboards.drawing.colours import slot_of
from livebragg_dashboards.sources.archive import problem_of_history
from livebragg_dashboards.sources.scans import FIRST_SLOT, WITHOUT_CLASS, scans

LABELS = np.array([[[0, 0, 1, -1], [-1, 5, 5, -1], [-1, -1, -1, -1], [-1, -1, -1, -1]]], np.int16)
FAMILY = np.array([[[2, 2, 3, 0], [1, 4, 4, 0], [0, 0, 0, 0], [0, 0, 0, 0]]], np.uint8)


def history(**changes: object) -> ScanHistory:
    facts: dict[str, object] = {"name": "a.h5", "acquisition_id": "oxide", "created_at": 1.8e9}
    facts |= {"status": "complete", "scan_shape": (64, 80), "n_classes": 3, "lost": 0}
    summary = ScanSummary(**(facts | changes))  # type: ignore[arg-type]
    return ScanHistory(
        revision=1, published_at=0.0, folder="/day", scans=[summary], labels=LABELS, families=FAMILY
    )


def test_a_small_picture_has_the_colours_of_the_large_one() -> None:
    one = scans(history())["scans"][0]
    assert (one["rows"], one["cols"]) == (2, 3)
    pixels = np.frombuffer(base64.b64decode(one["pixels"]), np.uint8).reshape(2, 3)
    slots = [[slot_of(0, FAMILIES[0])] * 2 + [slot_of(1, FAMILIES[1])], [None] + [slot_of(5, FAMILIES[2])] * 2]
    expected = [[WITHOUT_CLASS if s is None else FIRST_SLOT + s for s in row] for row in slots]
    np.testing.assert_array_equal(pixels, expected)


def test_verdicts_are_said_in_words_and_losses_are_no_good_sign() -> None:
    good, lossy = (scans(history(lost=n))["scans"][0] for n in (0, 14))
    assert good["tone"] == "good" and lossy["tone"] == "warn"
    assert "14 frames lost" in lossy["about"] and "3 classes" in good["about"]
    assert scans(history(status="unreadable"))["scans"][0]["tone"] == "bad"


def test_anything_becomes_json_that_a_page_can_take() -> None:
    odd = history(name="\u202ex", acquisition_id="<b>\x00", created_at=float("nan"), scan_shape=(-1, 0), lost=-3)
    json.dumps(scans(odd), allow_nan=False)
    assert scans(None)["scans"] == []


def test_lists_whose_parts_do_not_fit_are_refused() -> None:
    good = history()
    assert problem_of_history(good) == ""
    changed = {"scans": [], "labels": LABELS[0], "families": FAMILY[:, :2]}
    for name, value in changed.items():
        parts = {
            key: getattr(good, key)
            for key in ("revision", "published_at", "folder", "scans", "labels", "families")
        }
        assert problem_of_history(ScanHistory(**(parts | {name: value})))
