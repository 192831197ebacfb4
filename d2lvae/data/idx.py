"""The file format of MNIST: an array of bytes behind a short header, often in gzip."""

import gzip
import os
import struct
import zlib
from pathlib import Path

import numpy as onp

from d2lvae.base.errors import CourseError
from d2lvae.data.archive import HEAD, format_of

FETCH = 'delete it and start again to fetch it anew'
OWN = 'give a folder or a zip of pictures, or an idx file of bytes'


def read_idx(path, remedy=FETCH):
    """The array in an idx file, plain or gzip; CourseError that names it if it can't be read."""
    try:
        raw = Path(path).read_bytes()
    except OSError as e:
        raise CourseError(f'{path} cannot be read ({e.strerror}): make it readable.') from e
    return decode_idx(raw, str(path), remedy)


def decode_idx(raw, name, remedy=FETCH):
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
        what = 'is damaged' if remedy == FETCH else 'is no whole idx file'
        raise CourseError(f'{name} {what} ({e}): {remedy}.') from e


def is_idx(path):
    """Whether a path is a file that is read as idx: neither a zip nor a picture."""
    try:
        if not os.path.isfile(path):
            return False
        with path.open('rb') as file:
            head = file.read(HEAD)
    except OSError:
        return False
    return not (head.startswith(b'PK') or format_of(head))


def read_digits(path, side):
    """Digits of one's own in an idx file, uint8 (N, 1, side, side), and their labels or None.

    Labels come from the file beside it whose name has `labels-idx1` for `images-idx3`, with a dot
    or a hyphen before `idx`, plain or packed.
    """
    images = read_idx(path, OWN)
    if images.ndim != 3 or images.shape[1:] != (side, side):
        raise CourseError(
            f'{path} holds an array of shape {images.shape}, not pictures (N, {side}, {side}): '
            f'{OWN}.'
        )
    name = path.name.replace('images', 'labels').replace('idx3', 'idx1').removesuffix('.gz')
    beside = [path.with_name(n) for n in (name, f'{name}.gz') if n != path.name]
    labels = [read_idx(p, 'give the labels as bytes') for p in beside if p.is_file()][:1]
    for found in labels:
        if found.shape != images.shape[:1] or found.max(initial=0) > 9:
            raise CourseError(
                f'The labels beside {path} are no {len(images)} digits from 0 to 9, but of shape '
                f'{found.shape} and up to {found.max(initial=0)}: give those of these pictures, or '
                'move them away.'
            )
    return images[:, None], labels[0] if labels else None


def idx_bytes(array):
    return struct.pack(f'>HBB{array.ndim}I', 0, 8, array.ndim, *array.shape) + array.tobytes()
