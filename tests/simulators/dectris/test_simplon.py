"""The REST interface of a simulated DECTRIS detector: the requests clients are known to make, and bad ones."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest

from livebragg.model import Acquisition, pack_mask
from livebragg_simulators.dectris.series import SeriesFacts
from livebragg_simulators.dectris.simplon import Command, Simplon

MASK = np.zeros((24, 31), bool)
MASK[2, 3] = True


@pytest.fixture
def simplon() -> Simplon:
    acquisition = Acquisition(
        acquisition_id="a", scan_shape=(2, 3), frame_shape=(24, 31), dtype="uint16", bad_pixels=pack_mask(MASK)
    )
    return Simplon(acquisition, 6, SeriesFacts(), cbor=False)


def get(simplon: Simplon, path: str) -> Any:
    status, answer = simplon.handle("GET", path)
    assert status == 200
    return answer["value"]


def put(simplon: Simplon, path: str, value: Any = None) -> tuple[int, Any]:
    return simplon.handle("PUT", path, json.dumps({"value": value}).encode())


def test_the_requests_of_a_passive_client_are_answered(simplon: Simplon) -> None:
    base = "/detector/api/1.8.0/config/"
    assert get(simplon, base + "x_pixels_in_detector") == 31
    assert get(simplon, base + "y_pixels_in_detector") == 24
    assert get(simplon, base + "bit_depth_image") == 16
    assert put(simplon, "/stream/api/1.8.0/config/mode", "enabled")[0] == 200
    assert put(simplon, "/stream/api/1.6.0/config/header_detail", "basic")[0] == 200


def test_the_requests_of_an_active_client_arm_the_detector(simplon: Simplon) -> None:
    base = "/detector/api/1.8.0/config/"
    for name, value in (("ntrigger", 1), ("nimages", 1), ("trigger_mode", "exte"), ("ntrigger", 500)):
        assert put(simplon, base + name, value)[0] == 200
    assert simplon.handle("PUT", "/detector/api/1.8.0/command/arm") == (200, {"sequence id": 1})
    assert simplon.commands.get_nowait() == Command("arm", 500, cbor=False)
    assert get(simplon, "/detector/api/1.8.0/status/state") == "ready"
    assert simplon.handle("PUT", "/detector/api/1.8.0/command/arm")[0] == 400
    assert simplon.handle("PUT", "/detector/api/1.8.0/command/disarm")[0] == 200
    assert simplon.commands.get_nowait().name == "disarm"


def test_triggers_ask_for_the_images_of_one_trigger(simplon: Simplon) -> None:
    base = "/detector/api/1.8.0/"
    for name, value in (("ntrigger", 3), ("nimages", 4), ("trigger_mode", "ints")):
        put(simplon, f"{base}config/{name}", value)
    assert simplon.handle("PUT", base + "command/trigger")[0] == 400  # not armed
    simplon.handle("PUT", base + "command/arm")
    simplon.handle("PUT", base + "command/trigger")
    assert [simplon.commands.get_nowait() for _ in range(2)] == [Command("arm", 12), Command("trigger", 4)]


def test_stream_v2_is_chosen_by_its_format_and_several_values_may_be_set_at_once(simplon: Simplon) -> None:
    body = json.dumps(
        {"format": "cbor", "header_detail": "all", "header_appendix": {"scan_shape": [2, 3]}}
    ).encode()
    assert simplon.handle("PUT", "/stream/api/1.8.0/config", body)[0] == 200
    simplon.handle("PUT", "/detector/api/1.8.0/command/arm")
    assert simplon.commands.get_nowait().cbor
    assert get(simplon, "/stream/api/1.8.0/status/dropped") == 0
    assert get(simplon, "/stream/api/1.8.0/config/header_appendix") == {"scan_shape": [2, 3]}


def test_the_pixel_mask_is_given_in_base64(simplon: Simplon) -> None:
    mask = get(simplon, "/detector/api/1.8.0/config/pixel_mask")
    assert mask["shape"] == [31, 24]
    pixels = np.frombuffer(base64.b64decode(mask["data"]), mask["type"]).reshape(24, 31)
    assert np.array_equal(pixels != 0, MASK)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/", b"", 404),
        ("GET", "/detector/api/1.8.0/config/nothing", b"", 404),
        ("GET", "/detector/api/1.8.0/status/nothing", b"", 404),
        ("GET", "/furnace/api/1.8.0/config/nimages", b"", 404),
        ("GET", "/../../etc/passwd", b"", 404),
        ("GET", "/detector/api/1.8.0/command/arm", b"", 405),
        ("DELETE", "/detector/api/1.8.0/config/nimages", b"", 405),
        ("PUT", "/detector/api/1.8.0/status/state", b"{}", 405),
        ("PUT", "/detector/api/1.8.0/command/explode", b"", 404),
        ("PUT", "/detector/api/1.8.0/config/nimages", b"", 400),
        ("PUT", "/detector/api/1.8.0/config/nimages", b"[" * 100_000, 400),
        ("PUT", "/detector/api/1.8.0/config/nimages", b"[1]", 400),
        ("PUT", "/detector/api/1.8.0/config/nimages", b'{"value": 0}', 400),
        ("PUT", "/detector/api/1.8.0/config/nimages", b'{"value": "6"}', 400),
        ("PUT", "/detector/api/1.8.0/config/nimages", b'{"value": 1e99}', 400),
        ("PUT", "/detector/api/1.8.0/config/frame_time", b'{"value": -1}', 400),
        ("PUT", "/detector/api/1.8.0/config/frame_time", b'{"value": NaN}', 400),
        ("PUT", "/detector/api/1.8.0/config/trigger_mode", b'{"value": "never"}', 400),
        ("PUT", "/detector/api/1.8.0/config/x_pixels_in_detector", b'{"value": 512}', 400),
        ("PUT", "/detector/api/1.8.0/config/nothing", b'{"value": 1}', 400),
        ("PUT", "/stream/api/1.8.0/config", b'{"mode": "perhaps"}', 400),
        ("PUT", "/stream/api/1.8.0/config/mode", b'{"value": "' + b"x" * (1 << 20) + b'"}', 413),
    ],
)
def test_bad_requests_are_refused_in_words_and_change_nothing(
    simplon: Simplon, method: str, path: str, body: bytes, status: int
) -> None:
    before = json.dumps(simplon.config)
    answered, answer = simplon.handle(method, path, body)
    assert answered == status
    assert answer["error"]
    assert json.dumps(simplon.config) == before
    assert simplon.commands.empty()
