"""What the fake pipeline says about boxes, detectors and positions: numbers a test can know."""

from __future__ import annotations

from typing import Any

import numpy as np
from fake_scene import Scene

from livebragg.wire.messages import (
    DarkFieldReply,
    DarkFieldRequest,
    PositionReply,
    PositionRequest,
    Refused,
    RegionMapReply,
    RegionMapRequest,
    RegionPatternReply,
    RegionPatternRequest,
    RegionProfileReply,
    RegionProfileRequest,
    VirtualImageReply,
    VirtualImageRequest,
)

EXPLORING = (
    RegionMapRequest, RegionPatternRequest, RegionProfileRequest, DarkFieldRequest, VirtualImageRequest,
    PositionRequest,
)  # fmt: skip


def explore(request: Any, scene: Scene, seen: int, serial: int, bins: float) -> object:
    """Reply to any request about a part of the scan; `Refused` for others."""
    if isinstance(request, RegionMapRequest | RegionPatternRequest | RegionProfileRequest):
        return _region(request, scene, seen, serial, bins)
    if isinstance(request, DarkFieldRequest | VirtualImageRequest):
        kind = DarkFieldReply if isinstance(request, DarkFieldRequest) else VirtualImageReply
        return kind(serial=serial, image=light(request, scene, seen))
    if isinstance(request, PositionRequest):
        return _position(request, scene, seen, serial)
    return Refused(reason="this is not answered here")


def light(request: DarkFieldRequest | VirtualImageRequest, scene: Scene, seen: int) -> np.ndarray:
    """An image that tells what was asked for: a ramp whose slope is the radius, or the peak."""
    strength = request.outer if isinstance(request, VirtualImageRequest) else request.peak_id + request.radius
    image = (1.0 + strength) * np.arange(scene.labels.size, dtype=np.float32)
    image[seen:] = np.nan
    return image.reshape(scene.scan_shape).astype(np.float32)


def _region(request: Any, scene: Scene, seen: int, serial: int, bins: float) -> object:
    rows, cols = request.mask.shape
    if request.top < 0 or request.left < 0 or request.top + rows > scene.scan_shape[0]:
        return Refused(reason="the region is not within the scan")
    part = np.arange(scene.labels.size).reshape(scene.scan_shape)[request.top :, request.left :][:rows, :cols]
    scanned = part[part < seen]
    labels = scene.labels.reshape(-1)[scanned]
    counts = np.bincount(labels[labels >= 0], minlength=len(scene.classes))
    if isinstance(request, RegionMapRequest):
        image = scene.vector_map(counts)
        return RegionMapReply(
            serial=serial, n_positions=scanned.size, map=image, bins_per_pixel=bins,
            origin_row=float(image.shape[0] // 2), origin_col=float(image.shape[1] // 2),
        )  # fmt: skip
    if scanned.size == 0:
        return Refused(reason="no position of the region was scanned yet")
    mean = np.tensordot(counts / max(1, counts.sum()), _patterns(scene), 1).astype(np.float32)
    if isinstance(request, RegionPatternRequest):
        return RegionPatternReply(
            serial=serial, n_positions=scanned.size, n_frames=min(512, scanned.size), pattern=mean
        )
    radii, profiles = scene.profiles(mean[np.newaxis])
    return RegionProfileReply(
        serial=serial, n_positions=scanned.size, radii=radii, mean=profiles[0, 0], variance=profiles[0, 1],
        pixels=np.full(radii.size, 9),
    )  # fmt: skip


def _patterns(scene: Scene) -> np.ndarray:
    return np.stack([scene.mean_frame(i) for i in range(len(scene.classes))])


def _position(request: PositionRequest, scene: Scene, seen: int, serial: int) -> object:
    if not 0 <= request.scan_index < seen:
        return Refused(reason="this position was not scanned yet")
    label = int(scene.labels.reshape(-1)[request.scan_index])
    qx, qy, intensity = scene.disks(request.scan_index)
    n = len(scene.classes)
    shares = np.full(n, 0.2 / (n - 1), np.float32)
    shares[label] = 0.8
    return PositionReply(
        serial=serial, scan_index=request.scan_index, label=label, qx=qx, qy=qy, intensity=intensity,
        origin=np.array(scene.center, np.float32), peak_ids=np.arange(3 + label), class_ids=list(range(n)),
        features=np.arange(3 + label, dtype=np.float32) + 1, weights=2 * shares, shares=shares,
    )  # fmt: skip
