"""The whole configuration, section by section. The defaults here are the only defaults."""

from __future__ import annotations

from dataclasses import dataclass, field

from livebragg.config.analysis import AnalysisConfig
from livebragg.config.dashboard import DashboardConfig
from livebragg.config.detection import DetectionConfig, ProbeConfig, ProfileConfig, VirtualConfig
from livebragg.config.pipeline import (
    DispatchConfig,
    FrameLogConfig,
    PublishConfig,
    ResultsConfig,
    ScanConfig,
    StreamConfig,
)
from livebragg.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that can be configured."""

    stream: StreamConfig = field(default_factory=StreamConfig)
    """Where the frames come from."""
    scan: ScanConfig = field(default_factory=ScanConfig)
    """The scan, where the sender does not say or says it wrong."""
    probe: ProbeConfig = field(default_factory=ProbeConfig)
    """The probe; what is left out is measured from the first frames."""
    detection: DetectionConfig = field(default_factory=DetectionConfig)
    """Disk detection."""
    virtual: VirtualConfig = field(default_factory=VirtualConfig)
    """Virtual detectors."""
    profile: ProfileConfig = field(default_factory=ProfileConfig)
    """Radial profiles."""
    analysis: AnalysisConfig = field(default_factory=AnalysisConfig)
    """From Bragg vectors to classes."""
    frame_log: FrameLogConfig = field(default_factory=FrameLogConfig)
    """Memory-mapped log of received frames."""
    dispatch: DispatchConfig = field(default_factory=DispatchConfig)
    """How frames are given to workers."""
    publish: PublishConfig = field(default_factory=PublishConfig)
    """The results feed."""
    results: ResultsConfig = field(default_factory=ResultsConfig)
    """The results file."""
    dashboard: DashboardConfig = field(default_factory=DashboardConfig)
    """The web page."""

    def check(self) -> None:
        """Whether the sections go together; not done before all sources of the configuration were read.

        Raises
        ------
        ConfigError
            They do not.
        """
        if self.scan.repeat and self.stream.detector == "native":
            raise ConfigError(
                'scan.repeat divides the series of a detector; in the native stream (stream.detector = "native") '
                "the sender begins every scan anew: leave scan.repeat out, or set stream.detector"
            )
