"""Hostile or broken feed messages are named, and good ones pass."""

from __future__ import annotations

import numpy as np
import pytest
from makers import class_maps, class_patterns, latest_frame, status, vector_map, virtual_images

from livebragg.wire.messages import FrameReply
from livebragg_dashboards.feed.checks import MAX_CLASSES, problem_of

GOOD = [status(), class_maps(), virtual_images(), vector_map(), latest_frame(), class_patterns()]
NONE = np.zeros(0, np.float32)
FRAME = np.zeros((4, 4), np.float32)
LISTS = ("class_ids", "class_names", "class_families", "class_counts")

BAD = [
    (status(scan_shape=(0, 5)), "scan_shape"),
    (status(published_at=float("nan")), "published_at"),
    (class_maps(confidence=np.zeros((3, 4), np.float32)), "confidence"),
    (class_maps(labels=np.zeros(15), confidence=np.zeros(15, np.float32)), "shape (15,)"),
    (class_maps(labels=np.zeros((0, 5)), confidence=np.zeros((0, 5), np.float32)), "shape (0, 5)"),
    (class_maps(class_names=["one"]), "lengths"),
    (class_maps(**dict.fromkeys(LISTS, [1] * (MAX_CLASSES + 1))), "at most"),
    (virtual_images(names=["one"]), "1 names for 2 images"),
    (virtual_images(names=["one", "one"]), "same name"),
    (virtual_images(names=[], images=np.zeros((0, 3, 5), np.float32)), "0 names"),
    (virtual_images(images=np.zeros((3, 5), np.float32)), "3 dimensions"),
    (vector_map(bins_per_pixel=0.0), "bins_per_pixel"),
    (vector_map(bins_per_pixel=float("nan")), "bins_per_pixel"),
    (vector_map(origin_row=float("inf")), "origin"),
    (vector_map(peak_qx=NONE), "columns"),
    (vector_map(map=np.zeros((2, 2, 2), np.float32)), "map"),
    (latest_frame(qy=NONE), "columns"),
    (latest_frame(frame=np.zeros((1, 20_000), np.float32)), "frame"),
    (class_patterns(class_ids=[1]), "1 classes"),
    (class_patterns(patterns=np.zeros((3, 8), np.float32)), "patterns"),
    (FrameReply(serial=1, scan_index=0, label=0, frame=FRAME, qx=NONE, qy=NONE, intensity=NONE, origin=NONE),
     "origin"),
    ("text", "nothing a dashboard can show"),
]  # fmt: skip


@pytest.mark.parametrize("message", GOOD, ids=lambda m: type(m).__name__)
def test_a_message_whose_parts_fit_together_has_no_problem(message: object) -> None:
    assert problem_of(message) == ""


@pytest.mark.parametrize(("message", "words"), BAD, ids=lambda v: v if isinstance(v, str) else "")
def test_a_message_whose_parts_do_not_fit_is_described(message: object, words: str) -> None:
    assert words in problem_of(message)
