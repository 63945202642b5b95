"""Pictures to send: phantoms that look like the modality, the same for a seed.

Noise comes from SHAKE-128 rather than a random generator, whose stream may
change with the library's version.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt


def noise(label: str, shape: tuple[int, ...], amplitude: int) -> npt.NDArray[np.int32]:
    """Return reproducible noise.

    Args:
        label: What the noise is for; another label, another noise.
        shape: The shape of the result.
        amplitude: Values lie between minus and plus this.

    Returns:
        An array of integers.
    """
    count = int(np.prod(shape))
    raw = hashlib.shake_128(label.encode()).digest(count)
    values = np.frombuffer(raw, dtype=np.uint8).astype(np.int32)
    return (values * (2 * amplitude + 1) // 256 - amplitude).reshape(shape)


def _grid(rows: int, columns: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    return y, x


def computed_tomography(size: int, position: float, label: str) -> npt.NDArray[np.int16]:
    """A slice through a thorax-like phantom.

    Args:
        size: Rows and columns.
        position: Place along the body, 0 (feet) to 1 (head).
        label: Seeds the noise.

    Returns:
        Hounsfield units, shape (size, size).
    """
    y, x = _grid(size, size)
    hu = np.full((size, size), -1000, dtype=np.int32)
    width = 0.9 - 0.25 * abs(position - 0.45)
    hu[(x / width) ** 2 + (y / 0.65) ** 2 < 1] = 40
    lung = 0.32 * np.sin(np.pi * min(max(position, 0.05), 0.95))
    for side in (-0.42, 0.42):
        hu[((x - side) / lung) ** 2 + (y / (1.5 * lung)) ** 2 < 1] = -780
    hu[(x / 0.13) ** 2 + ((y - 0.42) / 0.13) ** 2 < 1] = 700
    centre = 0.2 * np.cos(6 * np.pi * position)
    hu[(x - 0.42 - centre * 0.3) ** 2 + (y - centre) ** 2 < 0.004] = 95
    return np.asarray(np.clip(hu + noise(label, hu.shape, 14), -1024, 3071), dtype=np.int16)


def magnetic_resonance(size: int, position: float, label: str) -> npt.NDArray[np.uint16]:
    """A slice through a head-like phantom.

    Args:
        size: Rows and columns.
        position: Place along the head, 0 to 1.
        label: Seeds the noise.

    Returns:
        Signal of 12 bits, shape (size, size).
    """
    y, x = _grid(size, size)
    scale = np.sin(np.pi * (0.12 + 0.76 * position))
    radius = (x / 0.72) ** 2 + (y / 0.86) ** 2
    signal = np.zeros((size, size), dtype=np.int32)
    signal[radius < scale**2] = 1900
    signal[radius < (0.93 * scale) ** 2] = 350
    signal[radius < (0.88 * scale) ** 2] = 1100
    signal[((abs(x) - 0.17) / 0.11) ** 2 + (y / 0.33) ** 2 < 0.6 * scale] = 240
    noisy = signal + noise(label, signal.shape, 24)
    return np.asarray(np.clip(noisy, 0, 4095), dtype=np.uint16)


def ultrasound(frames: int, rows: int, columns: int, label: str) -> npt.NDArray[np.uint8]:
    """A loop of a fan-shaped sector with a beating chamber.

    Args:
        frames: Number of frames.
        rows: Rows of a frame.
        columns: Columns of a frame.
        label: Seeds the speckle.

    Returns:
        RGB, shape (frames, rows, columns, 3).
    """
    y, x = _grid(rows, columns)
    depth = (y + 1) / 2
    fan = (abs(x) < 0.15 + 0.8 * depth) & (depth**2 + (x / 1.6) ** 2 < 0.95)
    loop = np.zeros((frames, rows, columns, 3), dtype=np.uint8)
    for frame in range(frames):
        beat = 0.05 * np.sin(2 * np.pi * frame / frames)
        speckle = 90 + noise(f"{label}/{frame}", (rows, columns), 70)
        chamber = (x / (0.32 + beat)) ** 2 + ((depth - 0.55) / (0.2 + beat)) ** 2 < 1
        grey = np.where(fan, np.where(chamber, 12, speckle), 0).astype(np.uint8)
        loop[frame] = grey[..., np.newaxis]
        # Flow is shown in colour, as a Doppler overlay does.
        flow = chamber & fan & ((depth - 0.55) > 0.08)
        loop[frame][flow] = (180, 30, 20) if beat > 0 else (20, 40, 190)
    return loop


def radiograph(size: int, label: str) -> npt.NDArray[np.uint16]:
    """A chest-like projection of 12 bits, shape (size, size)."""
    y, x = _grid(size, size)
    image = 3200 - 1400 * np.exp(-((x / 0.75) ** 2) - (y / 0.95) ** 2)
    for side in (-0.4, 0.4):
        image += 900 * np.exp(-(((x - side) / 0.25) ** 2) - (y / 0.5) ** 2)
    image -= 500 * np.exp(-((x / 0.1) ** 2))
    image += 120 * np.sin(14 * y) * (abs(x) > 0.15)
    noisy = image.astype(np.int32) + noise(label, (size, size), 20)
    return np.asarray(np.clip(noisy, 0, 4095), dtype=np.uint16)
