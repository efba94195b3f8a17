# SPDX-License-Identifier: Apache-2.0
"""TensorFlow's micro front end in plain whole-number Python, as its sources and kissfft's describe it. For make.py.

Run by itself it compares with published features: micro_frontend.py CLIP.wav INPUTS.bin VECTOR (micro_speech's, 16 kHz, one second).
"""
import math
import sys

import numpy as np


def rounded(product):
    return (product + (1 << 14)) >> 15


def divided(z, by):
    return rounded(z[0] * (32767 // by)), rounded(z[1] * (32767 // by))


def times(a, b):
    return rounded(a[0] * b[0] - a[1] * b[1]), rounded(a[0] * b[1] + a[1] * b[0])


def turn(angle):
    return math.floor(0.5 + 32767 * math.cos(angle)), math.floor(0.5 + 32767 * math.sin(angle))


def fft(z, root):
    """Radix 4, radix 2 for what is left; `root` = twiddles of the whole transform."""
    n = len(z)
    if n == 1:
        return z
    radix = 4 if n % 4 == 0 else 2
    m, stride = n // radix, len(root) // n
    parts = [fft(z[i::radix], root) for i in range(radix)]
    out = [None] * n
    for k in range(m):
        if radix == 2:
            a, b = (divided(p[k], 2) for p in parts)
            b = times(b, root[k * stride])
            out[k], out[k + m] = (a[0] + b[0], a[1] + b[1]), (a[0] - b[0], a[1] - b[1])
            continue
        a, b, c, d = (divided(p[k], 4) for p in parts)
        b, c, d = times(b, root[k * stride]), times(c, root[2 * k * stride]), times(d, root[3 * k * stride])
        s, t = (a[0] + c[0], a[1] + c[1]), (a[0] - c[0], a[1] - c[1])
        u, v = (b[0] + d[0], b[1] + d[1]), (b[0] - d[0], b[1] - d[1])
        out[k], out[k + 2 * m] = (s[0] + u[0], s[1] + u[1]), (s[0] - u[0], s[1] - u[1])
        out[k + m], out[k + 3 * m] = (t[0] + v[1], t[1] - v[0]), (t[0] - v[1], t[1] + v[0])
    return out


def real_fft(x):
    n = len(x) // 2
    z = fft(list(zip(x[::2], x[1::2])), [turn(-2 * math.pi * i / n) for i in range(n)])
    out = [None] * (n + 1)
    first = divided(z[0], 2)
    out[0], out[n] = (first[0] + first[1], 0), (first[0] - first[1], 0)
    for k in range(1, n // 2 + 1):
        a, b = divided(z[k], 2), divided((z[n - k][0], -z[n - k][1]), 2)
        even, odd = (a[0] + b[0], a[1] + b[1]), times((a[0] - b[0], a[1] - b[1]), turn(-math.pi * (k / n + 0.5)))
        out[k] = (even[0] + odd[0]) >> 1, (even[1] + odd[1]) >> 1
        out[n - k] = (even[0] - odd[0]) >> 1, (odd[1] - even[1]) >> 1
    return out


def mel(hz):
    return 1127.0 * math.log1p(hz / 700.0)


def slopes(config, rate):
    """For each of the filters + 1 slopes: (bin, what it adds to the falling filter, to the rising one)."""
    bin_hz = rate / config.fft_length
    low, count = mel(config.low_hz), config.mel_filters + 1
    ends = [low + (mel(config.high_hz or rate / 2) - low) / count * (i + 1) for i in range(count)]
    k, out = int(1.5 + config.low_hz / bin_hz), []
    for begin, end in zip([low] + ends, ends):
        out.append([])
        while k <= config.fft_length // 2 and mel(k * bin_hz) <= end:
            weight = (end - mel(k * bin_hz)) / (end - begin)
            out[-1].append((k, math.floor(weight * 4096 + 0.5), math.floor((1 - weight) * 4096 + 0.5)))
            k += 1
    return out


def root_of(n):
    r = math.isqrt(n)
    r += n - r * r > r
    return min(r, 0xFFFF) if n >> 32 == 0 else r


def gain_table(config, bits):
    def gain(x):
        power = np.power(np.float32(x) / np.float32(1 << bits) + np.float32(config.pcan_offset), -np.float32(config.pcan_strength))
        return min(32767, int(np.float32(1 << config.pcan_gain_bits) * np.float32(power) + np.float32(0.5)))

    octaves = {}
    for octave in range(2, 33):
        x0 = 1 << octave - 1
        y0, y1, y2 = gain(x0), gain(x0 + (x0 >> 1)), gain(x0 + x0 - 1 if octave == 32 else 2 * x0)
        octaves[octave] = y0, 4 * (y1 - y0) - (y2 - y0), 2 * (y2 - y0) - 4 * (y1 - y0)

    def at(x):
        if x < 2:
            return gain(x)
        octave = x.bit_length()
        y0, a1, a2 = octaves[octave]
        part = (x << 11 - octave if octave < 11 else x >> octave - 11) & 0x3FF
        return y0 + ((((a2 * part >> 5) + (a1 << 5)) * part + (1 << 14)) >> 15)

    return at


EXCESS = [math.floor(65536 * (math.log2(1 + i / 128) - i / 128) + 0.5) for i in range(128)] + [0, 0]


def log_of(x, shift):
    whole = x.bit_length() - 1
    above = x - (1 << whole)
    part = above << 16 - whole if whole < 16 else above >> whole - 16
    segment = part >> 9
    along = (EXCESS[segment + 1] - EXCESS[segment]) * (part - (segment << 9)) >> 16
    ln = 45426 * ((whole << 16) + part + EXCESS[segment] + along) + 32768 >> 16
    return (ln << shift) + 32768 >> 16


def features(config, readings, rate):
    """The front end's 16 bit outputs, frames x filters."""
    n = config.frame_length
    arg = float(np.float32(2 * math.pi / n))
    shape = [math.floor(float(np.float32(0.5 - 0.5 * math.cos(arg * (i + 0.5)))) * 4096 + 0.5) for i in range(n)]
    bank = slopes(config, rate)
    correction = config.fft_length.bit_length() - 1 - 6
    gain = gain_table(config, 10 - correction) if config.pcan_strength else None
    smoothing = [int(np.float32(config.noise_odd if c % 2 else config.noise_even) * 16384) for c in range(config.mel_filters)]
    keep = int(np.float32(config.noise_keep) * 16384)
    noise = [0] * config.mel_filters
    out = []
    for at in range(0, len(readings) - n + 1, config.frame_stride):
        frame = [int(v) * w >> 12 for v, w in zip(readings[at:at + n], shape)]
        shift = 15 - max(abs(v) for v in frame).bit_length()
        energy = [re * re + im * im for re, im in real_fft([v << shift for v in frame] + [0] * (config.fft_length - n))]
        row, rising = [], 0
        for slope, bins in enumerate(bank):
            total, rising = rising + sum(w * energy[k] for k, w, _ in bins), sum(u * energy[k] for k, _, u in bins)
            if slope == 0:
                continue
            c = slope - 1
            magnitude = root_of(total) >> shift
            up = magnitude << 10
            noise[c] = up * smoothing[c] + noise[c] * (16384 - smoothing[c]) >> 14
            left = max(up - min(noise[c], up) >> 10, magnitude * keep >> 14)
            if gain:
                snr = left * gain(noise[c]) >> config.pcan_gain_bits - correction - 12
                left = snr * snr >> 20 if snr < 8192 else (snr >> 6) - 64
            left <<= correction
            row.append(min(log_of(left, config.log_shift), 65535) if left > 1 else 0)
        out.append(row)
    return np.array(out)


class MicroSpeech:
    fft_length, frame_length, frame_stride, mel_filters, low_hz, high_hz = 512, 480, 320, 40, 125.0, 7500.0
    noise_even, noise_odd, noise_keep, pcan_strength, pcan_offset, pcan_gain_bits, log_shift = 0.025, 0.06, 0.05, 0.95, 80.0, 21, 6


if __name__ == "__main__":
    clip = np.fromfile(sys.argv[1], "<i2", offset=44)
    want = np.fromfile(sys.argv[2], "i1").reshape(-1, 49, 40)[int(sys.argv[3])]
    got = np.clip((features(MicroSpeech, clip, 16000) * 256 + 333) // 666 - 128, -128, 127)
    print(f"{(got == want).mean():.2%} of the published features are equal")
