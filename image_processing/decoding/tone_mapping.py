"""Conversion of wide colours and high dynamic range (PQ, HLG, BT.2020) to BT.709.

Display light is computed from the signal, compressed to the range of a standard display, and encoded again:

- PQ is SMPTE ST 2084, HLG is ARIB STD-B67 on a display of 1000 nits (ITU-R BT.2100).
- 203 nits are the white of standard range (ITU-R BT.2408). The curve of ITU-R BT.2390 compresses light up to 1000 nits
  to it. The curve does not change light below about 90 nits. Light above 1000 nits becomes white.
- Standard range is encoded with a gamma of 2.4 (ITU-R BT.1886).

NumPy computes this, because PyAV's FFmpeg has no `zscale` filter, and results of `libswscale` depend on its version.
"""

import functools

import numpy as np


SDR_WHITE = 203.0  # nits
PEAK = 1000.0  # nits
GAMMA = 2.4
LEVELS = 65536
ROWS_AT_ONCE = 64  # limits the memory for float32 copies of large frames

LUMINANCE_2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)
BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)  # ITU-R BT.2407


def to_standard_range(signal: np.ndarray, transfer: str, is_bt2020: bool) -> np.ndarray:
    """Convert a picture of wide colours or high dynamic range to BT.709.

    Args:
        signal: RGB of full range, uint16 (height, width, 3).
        transfer: `"pq"`, `"hlg"`, or `"sdr"` for standard range.
        is_bt2020: Whether the primaries are those of BT.2020 instead of BT.709.

    Returns:
        uint8 RGB (height, width, 3).
    """
    strips = (signal[row : row + ROWS_AT_ONCE] for row in range(0, len(signal), ROWS_AT_ONCE))
    return np.concatenate([_strip(strip, transfer, is_bt2020) for strip in strips])


def _strip(signal: np.ndarray, transfer: str, is_bt2020: bool) -> np.ndarray:
    light = _light_table(transfer)[signal]  # 1 is the white of standard range
    if transfer == "hlg":  # BT.2100: the display's own gamma acts on luminance
        light *= np.maximum(light @ LUMINANCE_2020, 1e-6)[..., None] ** 0.2 * (PEAK / SDR_WHITE)
    if transfer != "sdr":
        light *= np.interp(light.max(axis=-1), *_compression()).astype(np.float32)[..., None]
    if is_bt2020:
        light = light @ BT2020_TO_BT709.T
    return (light.clip(0, 1) ** np.float32(1 / GAMMA) * 255 + 0.5).astype(np.uint8)


@functools.cache
def _light_table(transfer: str) -> np.ndarray:
    """Light of each signal level, float32 (65536,). HLG: scene light, 0 to 1. Others: display light, 1 is white."""
    signal = np.arange(LEVELS) / (LEVELS - 1)
    if transfer == "pq":
        light = _pq_to_nits(signal) / SDR_WHITE
    elif transfer == "hlg":
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    else:
        light = signal**GAMMA
    return light.astype(np.float32)


@functools.cache
def _compression() -> tuple[np.ndarray, np.ndarray]:
    """Ascending light (1 is the white of standard range), and BT.2390's factor for it."""
    source_peak, target_peak = _nits_to_pq(PEAK), _nits_to_pq(SDR_WHITE)
    light = _pq_to_nits(np.linspace(1e-3, 1, 4096))
    before = np.minimum(_nits_to_pq(light) / source_peak, 1)
    highest = target_peak / source_peak
    knee = 1.5 * highest - 0.5
    t = np.maximum(before - knee, 0) / (1 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * highest
    after = np.where(before < knee, before, spline)
    factors = np.where(before < knee, 1, _pq_to_nits(after * source_peak) / light)
    return light / SDR_WHITE, factors


M1, M2, C1, C2, C3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128  # of ST 2084


def _pq_to_nits(signal: np.ndarray) -> np.ndarray:
    root = np.asarray(signal) ** (1 / M2)
    return 10000 * (np.maximum(root - C1, 0) / (C2 - C3 * root)) ** (1 / M1)


def _nits_to_pq(nits: np.ndarray) -> np.ndarray:
    power = (np.asarray(nits) / 10000) ** M1
    return ((C1 + C2 * power) / (1 + C3 * power)) ** M2
