"""Pictures of one's own, to score a finished run on them."""

from pathlib import Path

import numpy as onp
from PIL import Image, UnidentifiedImageError

from d2lvae.base.errors import CourseError
from d2lvae.data.idx import read_idx

PICTURES = ('.png', '.jpg', '.jpeg')


def read_pictures(path, shape):
    """Pictures from an idx file or a folder, as uint8 (N, *shape), and their labels or None.

    Pictures in a folder (PNG, JPEG) become grey and are resized. Labels come from an idx file whose
    name has `labels-idx1` for `images-idx3`, if there is one.

    Raises
    ------
    CourseError
        If there is no picture, or one that cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES)
        if not found:
            raise CourseError(f'{path} holds no picture: {", ".join(PICTURES)} are read.')
        return onp.stack([read_picture(p, shape) for p in found]), None
    if not path.is_file():
        raise CourseError(f'{path} is neither a file nor a folder.')
    images = read_idx(path)
    if images.ndim != 3 or images.shape[1:] != shape[1:]:
        raise CourseError(
            f'{path} holds an array of shape {images.shape}, not pictures '
            f'(N, {shape[1]}, {shape[2]}).'
        )
    labels = path.with_name(path.name.replace('images-idx3', 'labels-idx1'))
    return images[:, None], read_idx(labels) if labels != path and labels.is_file() else None


def read_picture(path, shape):
    try:
        with Image.open(path) as picture:
            return onp.asarray(picture.convert('L').resize(shape[:0:-1]))[None]
    except (UnidentifiedImageError, OSError) as e:
        raise CourseError(f'{path} is no picture that can be read ({e}).') from e
