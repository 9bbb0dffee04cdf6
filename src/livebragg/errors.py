"""Every error livebragg raises on purpose.

::

    LiveBraggError
    ├── ConfigError          (ValueError)    a configuration key, value or file
    ├── FrameError           (ValueError)    a frame or array of the wrong shape, type or content
    ├── ProbeError           (ValueError)    the probe could not be measured, or makes no sense
    ├── CalibrationError     (ValueError)    what was measured does not determine a calibration
    ├── ClassRequestError    (ValueError)    something asked of the classes that cannot be done
    ├── WireError            (ValueError)    a message from outside
    │   ├── VersionError                     a protocol version this program does not speak
    │   ├── MalformedMessageError            undecodable, truncated, or with impossible sizes
    │   ├── ChecksumError                    a payload that does not match its checksum
    │   └── SequenceError                    a well-formed message that comes at the wrong moment
    ├── RecordingError       (OSError)       a recorded file that cannot be read as a 4D scan
    ├── ResultsError         (OSError)       the results file cannot be written or read
    ├── FrameLogFullError    (RuntimeError)  the frame log holds all it may
    └── PipelineError        (RuntimeError)  a part of the running pipeline failed

A message says which value was wrong, what would be right, and what to do.
"""

from __future__ import annotations


class LiveBraggError(Exception):
    """Base of all errors raised on purpose."""


class ConfigError(LiveBraggError, ValueError):
    """A configuration key, value or file that cannot be used."""


class FrameError(LiveBraggError, ValueError):
    """A frame or array with the wrong shape, type or content."""


class ProbeError(LiveBraggError, ValueError):
    """The probe could not be measured, or its parameters make no sense."""


class CalibrationError(LiveBraggError, ValueError):
    """What was measured does not determine a calibration."""


class ClassRequestError(LiveBraggError, ValueError):
    """Something was asked of the classes that cannot be done."""


class WireError(LiveBraggError, ValueError):
    """A message from outside that cannot be accepted."""


class VersionError(WireError):
    """A message in a protocol version this program does not speak."""


class MalformedMessageError(WireError):
    """A message that cannot be decoded, is truncated, or has impossible sizes."""


class ChecksumError(WireError):
    """A payload that does not match its checksum."""


class SequenceError(WireError):
    """A well-formed message at the wrong moment: end without start, index out of range."""


class RecordingError(LiveBraggError, OSError):
    """A recorded file that cannot be read as a 4D scan."""


class ResultsError(LiveBraggError, OSError):
    """The results file cannot be written or read."""


class FrameLogFullError(LiveBraggError, RuntimeError):
    """The frame log holds all the bytes it may and nothing can be dropped yet."""


class PipelineError(LiveBraggError, RuntimeError):
    """A part of the running pipeline failed."""
