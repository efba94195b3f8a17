#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes blocks.bin: DSP cases with the features that numpy and scipy compute from the formulas in docs/dsp.md, in double precision.

Independent of firmware/dsp: nothing of it is called, and where scipy has the function (butter, sosfilt, welch, dct, skew, kurtosis,
median_abs_deviation) it is scipy's. Signals are synthetic. Needs python3-numpy and python3-scipy; run it only to change the cases.

  make.py [OUT]

blocks.bin, little endian: "TMLDSPG1", u32 signals, u32 cases; then
  signal: u32 axes, u32 readings, f32 frequency_hz, u32 image_width, u32 form (0 = f32, 1 = i16), values (padded to 4 bytes)
  case:   char name[32], BlockConfig (128 bytes), u32 signal, f32 absolute, f32 relative (tolerances), u32 outliers (values that may
          miss them), u32 n, f32 features[n]
"""
import pathlib
import struct
import sys

import numpy as np
import scipy.fft
import scipy.signal
import scipy.stats

import micro_frontend

RAW, FLATTEN, SPECTRAL, SPECTROGRAM, MFE, MFCC, LOG_MEL, IMAGE = range(1, 9)
STATISTICS = ["mean", "minimum", "maximum", "rms", "deviation", "skewness", "kurtosis", "median", "mad"]
ALL = (1 << len(STATISTICS)) - 1
LOG, BINS, MEAN, VARIANCE = 1, 2, 4, 8
LEAST = 1e-10

FIELDS = [("type", "B", 0), ("version", "B", 1), ("flags", "H", 0), ("axes", "I", 0), ("scale", "f", 1.0), ("offset", "f", 0),
          ("fft_length", "H", 0), ("frame_length", "H", 0), ("frame_stride", "H", 0), ("statistics", "H", 0), ("low_hz", "f", 0),
          ("high_hz", "f", 0), ("mel_filters", "B", 0), ("coefficients", "B", 0), ("lifter", "B", 0), ("filter", "B", 0),
          ("filter_order", "B", 0), ("decimation", "B", 0), ("peaks", "B", 0), ("bands", "B", 0), ("filter_hz", "f", 0),
          ("peak_threshold", "f", 0), ("preemphasis", "f", 0), ("floor_db", "f", 0), ("edges", "9f", ()), ("noise_even", "f", 0),
          ("noise_odd", "f", 0), ("noise_keep", "f", 0), ("pcan_strength", "f", 0), ("pcan_offset", "f", 0),
          ("pcan_gain_bits", "B", 0), ("log_shift", "B", 0), ("image_channels", "B", 0), ("image_fit", "B", 0),
          ("image_width", "H", 0), ("image_height", "H", 0), ("output_scale", "f", 0), ("reserved", "I", 0)]


class Config:
    def __init__(self, **given):
        for name, _, default in FIELDS:
            setattr(self, name, given.pop(name, default))
        assert not given, given

    def packed(self):
        out = b""
        for name, form, _ in FIELDS:
            value = getattr(self, name)
            out += struct.pack("<9f", *(list(value) + [0] * (9 - len(value)))) if form == "9f" else struct.pack("<" + form, value)
        assert len(out) == 128
        return out

    def float(self, name):
        """The field as the record holds it."""
        return float(np.float32(getattr(self, name)))


class Window:
    def __init__(self, values, rate=0.0, image_width=0):
        self.values = values if values.ndim == 2 else values[:, None]
        self.rate, self.image_width = rate, image_width

    def packed(self):
        whole = self.values.dtype == np.int16
        data = self.values.astype("<i2" if whole else "<f4").tobytes()
        return struct.pack("<IIfII", self.values.shape[1], self.values.shape[0], self.rate, self.image_width, whole) + data + b"\0" * (-len(data) % 4)

    def columns(self, config):
        for axis in range(self.values.shape[1]):
            if config.axes == 0 or config.axes >> axis & 1:
                yield self.values[:, axis].astype(np.float64) * config.float("scale")


def statistics(x, mask):
    flat = x.min() == x.max()
    values = [x.mean(), x.min(), x.max(), np.sqrt(np.mean(x * x)), x.std(), 0 if flat else scipy.stats.skew(x),
              0 if flat else scipy.stats.kurtosis(x), np.median(x), scipy.stats.median_abs_deviation(x)]
    return [v for bit, v in enumerate(values) if mask >> bit & 1]


def steady(sos, x):
    return scipy.signal.sosfilt(sos, x, zi=scipy.signal.sosfilt_zi(sos) * x[0])[0]


def spectral(config, window):
    out = []
    for x in window.columns(config):
        rate = window.rate
        if config.decimation > 1:
            x = steady(scipy.signal.butter(8, 0.8 / config.decimation, output="sos"), x)[::config.decimation]
            rate /= config.decimation
        if config.filter:
            kind = "lowpass" if config.filter == 1 else "highpass"
            x = steady(scipy.signal.butter(config.filter_order, config.filter_hz, kind, fs=rate, output="sos"), x)
        out += statistics(x, config.statistics)
        length = min(config.fft_length, len(x))
        common = dict(fs=rate, window="hann", nperseg=length, noverlap=length // 2, nfft=config.fft_length, detrend=False)
        hz, density = scipy.signal.welch(x - x.mean(), scaling="density", **common)
        spectrum = scipy.signal.welch(x - x.mean(), scaling="spectrum", **common)[1]
        spectrum[1:-1] /= 2  # two-sided: the first and last bin stand for themselves alone
        found = [(2 * np.sqrt(spectrum[k]), hz[k]) for k in range(1, len(hz) - 1) if spectrum[k - 1] < spectrum[k] >= spectrum[k + 1]]
        found = sorted([f for f in found if f[0] > config.peak_threshold], key=lambda f: -f[0])[:config.peaks]
        for amplitude, at in found + [(0.0, 0.0)] * (config.peaks - len(found)):
            out += [at, amplitude]
        log = (lambda v: np.log10(v + LEAST)) if config.flags & LOG else (lambda v: v)
        for low, high in zip(config.edges, config.edges[1:]):
            out.append(log(density[(hz >= low) & (hz < high)].sum() * (hz[1] - hz[0])))
        if config.flags & BINS:
            top = config.high_hz or rate / 2
            out += list(log(density[1:][(hz[1:] >= config.low_hz) & (hz[1:] <= top)]))
    return np.array(out)


def mel(hz):
    return 1127.0 * np.log(1 + hz / 700.0)


def hertz(m):
    return 700.0 * (np.exp(m / 1127.0) - 1)


def triangles(config, rate):
    """Rows: filters, straight in hertz, peak 1."""
    top = config.high_hz or rate / 2
    edges = hertz(np.linspace(mel(config.low_hz), mel(top), config.mel_filters + 2))
    hz = np.arange(config.fft_length // 2 + 1) * rate / config.fft_length
    rows = []
    for left, peak, right in zip(edges, edges[1:], edges[2:]):
        rows.append(np.clip(np.minimum((hz - left) / (peak - left), (right - hz) / (right - peak)), 0, None))
    return np.array(rows)


def frames(config, window, shape):
    """Power spectra: [frame][axis][bin]."""
    out = []
    columns = list(window.columns(config))
    for at in range(0, len(columns[0]) - config.frame_length + 1, config.frame_stride):
        row = []
        for x in columns:
            part = x[at:at + config.frame_length]
            p = config.float("preemphasis")
            part = part - p * np.concatenate([part[:1], part[:-1]])
            row.append(np.abs(np.fft.rfft(part * shape, config.fft_length)) ** 2)
        out.append(row)
    return np.array(out)


def decibels(power, config):
    if not config.flags & LOG:
        return power
    db = 10 * np.log10(np.maximum(power, LEAST))
    return db if config.floor_db == 0 else np.clip((db - config.floor_db) / (12 - config.floor_db), 0, 1)


def spectrogram(config, window):
    power = frames(config, window, scipy.signal.get_window("hann", config.frame_length)) / config.fft_length
    return decibels(power, config).ravel()


def mfe(config, window):
    power = frames(config, window, scipy.signal.get_window("hann", config.frame_length)) / config.fft_length
    return decibels(power @ triangles(config, window.rate).T, config).ravel()


def mfcc(config, window):
    power = frames(config, window, scipy.signal.get_window("hann", config.frame_length)) / config.fft_length
    energy = np.log(np.maximum(power @ triangles(config, window.rate).T, LEAST))
    cepstrum = scipy.fft.dct(energy, type=2, norm="ortho", axis=-1)[..., :config.coefficients]
    if config.lifter:
        cepstrum = cepstrum * (1 + config.lifter / 2 * np.sin(np.pi * np.arange(config.coefficients) / config.lifter))
    if config.flags & MEAN:
        cepstrum = cepstrum - cepstrum.mean(axis=0)
    if config.flags & VARIANCE:
        cepstrum = cepstrum / (cepstrum.std(axis=0) + LEAST)
    return cepstrum.ravel()


def log_mel(config, window):
    readings = np.clip(np.trunc(next(window.columns(config))), -32767, 32767)
    return micro_frontend.features(config, readings, window.rate).ravel() * config.float("output_scale")


def image(config, window):
    w = window.image_width
    source = window.values.astype(np.float64).reshape(-1, w, window.values.shape[1])
    h, tw, th = source.shape[0], config.image_width, config.image_height
    x0, y0, sw, sh = 0, 0, w, h
    ox, oy, ow, oh = 0, 0, tw, th

    def middle(w, h, like_w, like_h):
        width, height = (max(1, h * like_w // like_h), h) if w * like_h > h * like_w else (w, max(1, w * like_h // like_w))
        return (w - width) // 2, (h - height) // 2, width, height

    if config.image_fit == 1:
        x0, y0, sw, sh = middle(w, h, tw, th)
    elif config.image_fit == 2:
        ox, oy, ow, oh = middle(tw, th, w, h)
    source = source[y0:y0 + sh, x0:x0 + sw]

    def places(target, length):
        at = np.clip((np.arange(target) + 0.5) * length / target - 0.5, 0, length - 1)
        first = np.floor(at).astype(int)
        return first, np.minimum(first + 1, length - 1), at - first

    ya, yb, yp = places(oh, sh)
    xa, xb, xp = places(ow, sw)
    rows = source[ya] * (1 - yp)[:, None, None] + source[yb] * yp[:, None, None]
    inner = rows[:, xa] * (1 - xp)[None, :, None] + rows[:, xb] * xp[None, :, None]
    if config.image_channels == 1 and inner.shape[2] == 3:
        inner = inner @ np.array([[0.299], [0.587], [0.114]])
    elif config.image_channels == 3 and inner.shape[2] == 1:
        inner = np.repeat(inner, 3, axis=2)
    out = np.full((th, tw, config.image_channels), config.float("offset"))
    out[oy:oy + oh, ox:ox + ow] = inner * config.float("scale") + config.float("offset")
    return out.ravel()


def raw(config, window):
    used = [a for a in range(window.values.shape[1]) if config.axes == 0 or config.axes >> a & 1]
    return (window.values[:, used].astype(np.float64) * config.float("scale") + config.float("offset")).ravel()


def flatten(config, window):
    return np.array([v for x in window.columns(config) for v in statistics(x, config.statistics)])


BLOCKS = {RAW: raw, FLATTEN: flatten, SPECTRAL: spectral, SPECTROGRAM: spectrogram, MFE: mfe, MFCC: mfcc, LOG_MEL: log_mel, IMAGE: image}


def noise(n, seed):
    """Uniform in [-1, 1), a linear congruential generator: the same on every version of numpy."""
    out = np.empty(n)
    for i in range(n):
        seed = (seed * 1664525 + 1013904223) % 2 ** 32
        out[i] = seed / 2 ** 31 - 1
    return out


def signals():
    t = np.arange(300) / 104.0
    motion = np.stack([1.5 * np.sin(2 * np.pi * 2.3 * t) + 0.4 * noise(300, 1),
                       0.8 * np.sin(2 * np.pi * 7.1 * t + 1) + 0.5 * np.sin(2 * np.pi * 20.2 * t) + 0.2 * noise(300, 2),
                       9.81 + 0.6 * np.sin(2 * np.pi * 0.7 * t) + 0.3 * noise(300, 3) ** 3], axis=1).astype(np.float32)
    short = (np.cumsum(noise(97, 4)) + 3).astype(np.float32)
    t = np.arange(6000) / 16000.0
    swell = np.interp(t, [0, 0.05, 0.12, 0.2, 0.3, 0.375], [0.002, 0.01, 1, 0.3, 0.05, 0.01])
    voice = sum(np.sin(2 * np.pi * f * t * (1 + 0.3 * t) + f) / (1 + i) for i, f in enumerate([180, 360, 720, 1210, 2530, 3910]))
    speech = np.round(7000 * swell * voice + 40 * noise(6000, 5)).astype(np.int16)
    flat = np.full((64, 1), 0.1, np.float32)
    y, x = np.mgrid[0:14, 0:20]
    colour = np.stack([x * 12 % 256, y * 18 % 256, (x * y * 3) % 256], axis=-1).reshape(-1, 3).astype(np.int16)
    grey = ((noise(63, 6) + 1) * 127).astype(np.int16)
    return {"motion": Window(motion, 104.0), "short": Window(short, 62.5), "speech": Window(speech, 16000.0),
            "flat": Window(flat, 100.0), "colour": Window(colour, 0.0, 20), "grey": Window(grey, 0.0, 9)}


SPEECH = dict(scale=1 / 32768, fft_length=512, frame_length=320, frame_stride=160)
MICRO = dict(type=LOG_MEL, fft_length=512, frame_length=480, frame_stride=320, mel_filters=40, low_hz=125, high_hz=7500, noise_even=0.025,
             noise_odd=0.06, noise_keep=0.05, pcan_strength=0.95, pcan_offset=80, pcan_gain_bits=21, log_shift=6, output_scale=0.0390979205)

# name, signal, absolute and relative tolerance, values that may miss them, parameters. log_mel is whole numbers and exact but for filter
# weights of 12 bits that the board computes in float32: one that falls on the other side of a half may move a value.
CASES = [
    ("raw", "motion", 1e-6, 1e-6, 0, dict(type=RAW, scale=0.5, offset=-1)),
    ("raw two axes", "motion", 1e-6, 1e-6, 0, dict(type=RAW, axes=5)),
    ("flatten", "motion", 2e-6, 2e-6, 0, dict(type=FLATTEN, statistics=ALL)),
    ("flatten scaled", "motion", 2e-6, 2e-6, 0, dict(type=FLATTEN, statistics=ALL, scale=0.1, axes=6)),
    ("flatten odd count", "short", 3e-6, 3e-6, 0, dict(type=FLATTEN, statistics=ALL)),
    ("flatten constant", "flat", 1e-7, 1e-7, 0, dict(type=FLATTEN, statistics=ALL)),
    ("flatten audio", "speech", 2e-6, 2e-6, 0, dict(type=FLATTEN, statistics=ALL, scale=1 / 32768)),
    ("spectral bins", "motion", 2e-5, 2e-5, 0, dict(type=SPECTRAL, flags=LOG | BINS, fft_length=64, statistics=0x68)),
    ("spectral low pass", "motion", 2e-5, 2e-5, 0, dict(type=SPECTRAL, fft_length=128, statistics=ALL, filter=1, filter_order=6, filter_hz=8,
     peaks=3, peak_threshold=0.05, bands=3, edges=(0.5, 2, 6, 30))),
    ("spectral high pass", "motion", 5e-4, 2e-5, 0, dict(type=SPECTRAL, flags=LOG, fft_length=256, statistics=0x18, filter=2, filter_order=4,
     filter_hz=1.5, peaks=5, bands=8, edges=(1, 2, 4, 8, 12, 20, 30, 40, 60))),
    ("spectral decimated", "motion", 5e-5, 5e-5, 0, dict(type=SPECTRAL, flags=BINS, fft_length=32, statistics=0x1F, decimation=4, low_hz=1,
     high_hz=10, peaks=2)),
    ("spectral padded", "short", 2e-5, 2e-5, 0, dict(type=SPECTRAL, flags=BINS, fft_length=128, peaks=4, bands=1, edges=(1, 10))),
    ("spectral audio", "speech", 2e-5, 2e-5, 0, dict(type=SPECTRAL, flags=LOG | BINS, fft_length=1024, scale=1 / 32768, low_hz=100, high_hz=2000,
     filter=1, filter_order=8, filter_hz=3000, decimation=2, peaks=4)),
    ("spectral constant", "flat", 1e-6, 1e-6, 0, dict(type=SPECTRAL, flags=LOG, fft_length=16, statistics=ALL, peaks=1, bands=1, edges=(0, 50))),
    ("spectrogram", "speech", 2e-5, 2e-5, 0, dict(type=SPECTROGRAM, flags=LOG, floor_db=-52, scale=1 / 32768, fft_length=256, frame_length=256,
     frame_stride=200)),
    ("spectrogram motion", "motion", 5e-4, 1e-5, 0, dict(type=SPECTROGRAM, fft_length=64, frame_length=50, frame_stride=25)),
    ("mfe", "speech", 2e-5, 2e-5, 0, dict(type=MFE, flags=LOG, floor_db=-52, mel_filters=40, low_hz=80, preemphasis=0.98, **SPEECH)),
    ("mfe linear", "speech", 1e-6, 2e-5, 0, dict(type=MFE, mel_filters=20, low_hz=300, high_hz=7000, **SPEECH)),
    ("mfcc", "speech", 5e-4, 2e-5, 0, dict(type=MFCC, mel_filters=32, coefficients=13, low_hz=80, preemphasis=0.98, **SPEECH)),
    ("mfcc normalised", "speech", 2e-4, 1e-4, 0, dict(type=MFCC, flags=MEAN | VARIANCE, mel_filters=26, coefficients=13, lifter=22, low_hz=20,
     high_hz=8000, preemphasis=0.97, **SPEECH)),
    ("log_mel", "speech", 1e-6, 1e-6, 2, MICRO),
    ("log_mel no gain control", "speech", 1e-6, 1e-6, 2, dict(MICRO, pcan_strength=0, pcan_offset=0, pcan_gain_bits=0)),
    ("log_mel small", "speech", 1e-6, 1e-6, 2, dict(MICRO, fft_length=256, frame_length=256, frame_stride=128, mel_filters=16)),
    ("image squash", "colour", 1e-5, 1e-5, 0, dict(type=IMAGE, scale=1 / 255, image_channels=3, image_fit=0, image_width=12, image_height=12)),
    ("image crop to grey", "colour", 1e-5, 1e-5, 0, dict(type=IMAGE, scale=1 / 127.5, offset=-1, image_channels=1, image_fit=1, image_width=9,
     image_height=11)),
    ("image with borders", "colour", 1e-5, 1e-5, 0, dict(type=IMAGE, scale=1 / 255, image_channels=3, image_fit=2, image_width=10,
     image_height=13)),
    ("image enlarged", "grey", 1e-5, 1e-5, 0, dict(type=IMAGE, scale=1 / 255, image_channels=3, image_fit=1, image_width=16, image_height=16)),
]


def main():
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).with_name("blocks.bin"))
    windows = signals()
    names = list(windows)
    blob = b"TMLDSPG1" + struct.pack("<II", len(windows), len(CASES))
    for window in windows.values():
        blob += window.packed()
    for name, signal, absolute, relative, outliers, given in CASES:
        config = Config(**given)
        features = BLOCKS[config.type](config, windows[signal])
        assert np.all(np.isfinite(features)), name
        blob += struct.pack("<32s128sIffII", name.encode(), config.packed(), names.index(signal), absolute, relative, outliers, len(features))
        blob += features.astype("<f4").tobytes()
    out.write_bytes(blob)
    print(f"{out}: {len(CASES)} cases, {len(blob)} bytes")


main()
