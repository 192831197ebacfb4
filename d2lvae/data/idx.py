"""The file format of MNIST: an array of bytes behind a short header, often in gzip."""

import gzip
import struct
import zlib

import numpy as onp

from d2lvae.base.errors import CourseError


def read_idx(path):
    """The array in an idx file, plain or gzip; CourseError that names it if it is damaged."""
    return decode_idx(path.read_bytes(), str(path))


def decode_idx(raw, name):
    """idx: two zero bytes, type (8: uint8), number of axes, each axis as big-endian int32, data."""
    try:
        if raw[:2] == b'\x1f\x8b':
            raw = gzip.decompress(raw)
        zero, kind, ndim = struct.unpack('>HBB', raw[:4])
        shape = struct.unpack(f'>{ndim}I', raw[4 : 4 + 4 * ndim])
        if (zero, kind) != (0, 8):
            raise ValueError('not an idx file of bytes')
        return onp.frombuffer(raw, 'uint8', offset=4 + 4 * ndim).reshape(shape)
    except (ValueError, struct.error, EOFError, OSError, zlib.error) as e:
        raise CourseError(
            f'{name} is damaged ({e}): delete it and start again to fetch it anew.'
        ) from e


def idx_bytes(array):
    return struct.pack(f'>HBB{array.ndim}I', 0, 8, array.ndim, *array.shape) + array.tobytes()
