# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# JPEG for tests, by libjpeg-turbo's C interface: what our programs make is decoded whole, not just looked at.
import ctypes

_lib = ctypes.CDLL("libturbojpeg.so.0")
_lib.tjInitDecompress.restype = _lib.tjInitCompress.restype = ctypes.c_void_p
_lib.tjGetErrorStr2.restype = ctypes.c_char_p
_lib.tjGetErrorStr2.argtypes = _lib.tjDestroy.argtypes = [ctypes.c_void_p]
_lib.tjFree.argtypes = [ctypes.c_void_p]
_RGB, _GRAY = 0, 6  # TJPF_RGB, TJPF_GRAY
_SAMPLING_GRAY, _SAMPLING_444 = 3, 0


def decode(data):
    """(width, height, pixels as red, green, blue). ValueError for anything that is no whole JPEG."""
    handle = ctypes.c_void_p(_lib.tjInitDecompress())
    try:
        width, height, sampling, colours = (ctypes.c_int() for _ in range(4))
        size = ctypes.c_ulong(len(data))
        if _lib.tjDecompressHeader3(handle, data, size, *(ctypes.byref(v) for v in (width, height, sampling, colours))) != 0:
            raise ValueError(_lib.tjGetErrorStr2(handle).decode())
        pixels = ctypes.create_string_buffer(width.value * height.value * 3)
        if _lib.tjDecompress2(handle, data, size, pixels, width, 0, height, _RGB, 0) != 0:
            raise ValueError(_lib.tjGetErrorStr2(handle).decode())
        return width.value, height.value, pixels.raw
    finally:
        _lib.tjDestroy(handle)


def encode(pixels, width, height, quality):
    """From one byte (gray) or three bytes (red, green, blue) per pixel."""
    gray = len(pixels) == width * height
    if not gray and len(pixels) != 3 * width * height:
        raise ValueError(f"{len(pixels)} bytes are no picture of {width}x{height}")
    handle = ctypes.c_void_p(_lib.tjInitCompress())
    memory, size = ctypes.c_void_p(), ctypes.c_ulong()
    try:
        if _lib.tjCompress2(handle, bytes(pixels), width, 0, height, _GRAY if gray else _RGB, ctypes.byref(memory), ctypes.byref(size),
                            _SAMPLING_GRAY if gray else _SAMPLING_444, quality, 0) != 0:
            raise ValueError(_lib.tjGetErrorStr2(handle).decode())
        return ctypes.string_at(memory, size.value)
    finally:
        _lib.tjFree(memory)
        _lib.tjDestroy(handle)
