"""The part of DECTRIS' SIMPLON REST interface that clients use: configuration, status, and commands.

A state machine without sockets: `handle` takes a request and returns its answer; commands become `Command`s for
whoever sends the images.
"""

from __future__ import annotations

import base64
import json
import queue
import re
from dataclasses import dataclass
from typing import Any

from livebragg.model import Acquisition, unpack_mask
from livebragg_simulators.dectris.series import Compression, HeaderDetail, SeriesFacts, detector_config

MAX_BODY_BYTES = 1 << 20

_PATH = re.compile(r"/([a-z]+)/api/[^/]+/(config|status|command)(?:/(?:[a-z]+/)?(\w+))?/?")
_COMMANDS = ("initialize", "arm", "trigger", "disarm", "cancel", "abort", "check_connection", "hv_reset")
_READ_ONLY = (
    "x_pixels_in_detector",
    "y_pixels_in_detector",
    "bit_depth_image",
    "bit_depth_readout",
    "description",
)
_CHOICES: dict[str, tuple[str, ...]] = {
    "stream/mode": ("enabled", "disabled"),
    "stream/format": ("legacy", "cbor"),
    "stream/header_detail": tuple(HeaderDetail),
    "detector/compression": tuple(Compression),
    "detector/trigger_mode": ("ints", "inte", "exts", "exte"),
}
_AT_LEAST_ONE = ("nimages", "ntrigger")
MAX_IMAGES = 1 << 40

Answer = tuple[int, Any]
"""HTTP status, and what becomes the JSON body (``None``: no body)."""


@dataclass(frozen=True, slots=True)
class Command:
    """Something the detector is told to do."""

    name: str
    """``arm``, ``trigger``, ``disarm`` or ``abort``."""
    n_images: int = 0
    """With ``arm``: of the whole series; with ``trigger``: of this trigger."""
    cbor: bool = False
    """With ``arm``: which stream."""


class Simplon:
    """Configuration and state of a simulated detector.

    Parameters
    ----------
    acquisition : Acquisition
        What the detector would announce.
    n_images : int
        Images of a series, unless the client asks for others.
    facts : SeriesFacts
        Changed by what clients configure; the writers read it.
    cbor : bool
        Whether the stream is V2 unless a client says otherwise.
    """

    def __init__(self, acquisition: Acquisition, n_images: int, facts: SeriesFacts, *, cbor: bool) -> None:
        self._facts = facts
        self._acquisition = acquisition
        self.commands: queue.Queue[Command] = queue.Queue()
        self.state = "idle"
        """``na``, ``idle``, ``ready`` (armed) or ``acquire``."""
        self.config: dict[str, dict[str, Any]] = {
            "detector": detector_config(acquisition, n_images, facts)
            | {"mask_to_zero": False, "roi_y_size": 0, "roi_bit_depth": 16, "countrate_correction_enabled": True},
            "stream": {
                "mode": "enabled",
                "format": "cbor" if cbor else "legacy",
                "header_detail": facts.header_detail.value,
                "header_appendix": facts.header_appendix,
                "image_appendix": facts.image_appendix,
            },
            "filewriter": {"mode": "disabled", "name_pattern": "series_$id", "nimages_per_file": 1000},
            "monitor": {"mode": "disabled"},
        }

    def handle(self, method: str, path: str, body: bytes = b"") -> Answer:
        """Answer one request."""
        match = _PATH.fullmatch(path.split("?")[0])
        if match is None or match[1] not in self.config:
            return 404, {"error": f"there is no {path[:200]!r}; try /detector/api/1.8.0/config/nimages"}
        module, task, name = match.groups()
        if task == "command":
            return self._command(name) if method == "PUT" else (405, {"error": "commands are given with PUT"})
        if task == "status":
            return self._status(module, name) if method == "GET" else (405, {"error": "a status is only read"})
        if method == "GET":
            return self._get(module, name)
        return self._put(module, name, body) if method == "PUT" else (405, {"error": "use GET or PUT"})

    # ------------------------------------------------------------------------------------------- config
    def _get(self, module: str, name: str | None) -> Answer:
        table = self.config[module]
        if name is None:
            return 200, sorted(table)
        if module == "detector" and name == "pixel_mask":
            return 200, self._pixel_mask()
        if name not in table:
            return 404, {"error": f"{module} has no parameter {name!r}; it has {', '.join(sorted(table))}"}
        return 200, _described(table[name], "r" if name in _READ_ONLY else "rw")

    def _put(self, module: str, name: str | None, body: bytes) -> Answer:
        if len(body) > MAX_BODY_BYTES:
            return 413, {"error": f"a body of {len(body)} bytes; at most {MAX_BODY_BYTES} are taken"}
        try:
            request = json.loads(body)
        except (ValueError, RecursionError):
            return 400, {"error": 'the body must be JSON: {"value": ...}'}
        if not isinstance(request, dict) or (name is not None and "value" not in request):
            return 400, {"error": 'the body must be {"value": ...}'}
        changes = request if name is None else {name: request["value"]}
        for key, value in changes.items():
            problem = self._problem(module, key, value)
            if problem:
                return 400, {"error": problem}
        self.config[module].update(changes)
        self._follow(module)
        return 200, sorted(changes)

    def _problem(self, module: str, name: str, value: Any) -> str:
        if name not in self.config[module]:
            return f"{module} has no parameter {name!r}; it has {', '.join(sorted(self.config[module]))}"
        if name in _READ_ONLY and value != self.config[module][name]:
            return f"{name} is {self.config[module][name]!r} and cannot be changed"
        choices = _CHOICES.get(f"{module}/{name}")
        if choices is not None and value not in choices:
            return f"{name} must be one of {', '.join(choices)}, not {value!r}"
        if name in _AT_LEAST_ONE and not (type(value) is int and 1 <= value <= MAX_IMAGES):
            return f"{name} must be a whole number from 1, not {value!r}"
        if name in ("frame_time", "count_time") and not (isinstance(value, int | float) and 0 < value < 1e6):
            return f"{name} must be a number of seconds above 0, not {value!r}"
        return ""

    def _follow(self, module: str) -> None:
        """What writers need of the configuration."""
        detector, stream, facts = self.config["detector"], self.config["stream"], self._facts
        if module == "detector":
            facts.compression = Compression(detector["compression"])
            facts.frame_time_s = float(detector["frame_time"])
            facts.trigger_mode, facts.triggers = detector["trigger_mode"], detector["ntrigger"]
        facts.header_detail = HeaderDetail(stream["header_detail"])
        facts.header_appendix, facts.image_appendix = stream["header_appendix"], stream["image_appendix"]

    def _pixel_mask(self) -> dict[str, Any]:
        mask = unpack_mask(self._acquisition.bad_pixels, self._acquisition.frame_shape).astype("<u4")
        data = base64.b64encode(mask.tobytes()).decode()
        array = {"type": "<u4", "shape": list(mask.shape[::-1]), "filters": ["base64"], "data": data}
        return {"value": array, "value_type": "uint", "access_mode": "r"}

    # ------------------------------------------------------------------------------- status and commands
    def _status(self, module: str, name: str | None) -> Answer:
        table: dict[str, Any] = {"state": self.state, "error": [], "dropped": 0}
        if module == "detector":
            table = {"state": self.state, "error": [], "time": "", "temperature": 22.0, "humidity": 20.0}
        elif module == "stream":
            table["state"] = "ready" if self.config["stream"]["mode"] == "enabled" else "disabled"
        if name is None:
            return 200, sorted(table)
        if name not in table:
            return 404, {"error": f"{module} has no status {name!r}; it has {', '.join(sorted(table))}"}
        return 200, _described(table[name], "r")

    def _command(self, name: str | None) -> Answer:
        if name not in _COMMANDS:
            return 404, {"error": f"there is no command {name!r}; there are {', '.join(_COMMANDS)}"}
        if name == "arm":
            return self._arm()
        if name == "trigger":
            if self.state not in ("ready", "acquire"):
                return 400, {"error": f"the detector is {self.state}: arm it before the trigger"}
            one = self._facts.trigger_mode in ("inte", "exte")
            self.commands.put(Command("trigger", 1 if one else self.config["detector"]["nimages"]))
        elif name in ("disarm", "cancel", "abort", "initialize"):
            if self.state in ("ready", "acquire"):
                self.commands.put(Command("abort" if name in ("abort", "initialize") else "disarm"))
            if name != "initialize":
                return 200, {"sequence id": self._facts.series}
            self.state = "idle"
        return 200, None

    def _arm(self) -> Answer:
        if self.state in ("ready", "acquire"):
            return 400, {"error": f"the detector is {self.state}: disarm it first"}
        detector = self.config["detector"]
        one = self._facts.trigger_mode in ("inte", "exte")
        n_images = detector["ntrigger"] * (1 if one else detector["nimages"])
        self.state = "ready"
        self.commands.put(Command("arm", n_images, self.config["stream"]["format"] == "cbor"))
        return 200, {"sequence id": self._facts.series + 1}


def _described(value: Any, access: str) -> dict[str, Any]:
    kinds = {bool: "bool", int: "int", float: "float", str: "string"}
    return {"value": value, "value_type": kinds.get(type(value), "string"), "access_mode": access}
