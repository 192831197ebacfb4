"""Faces from a folder or a zip that the user brings."""

import os
from pathlib import Path

import numpy as onp

from d2lvae.base import paths
from d2lvae.base.errors import CourseError
from d2lvae.data import archive
from d2lvae.data.images import ImageData, first
from d2lvae.data.pictures import read_pictures

MIN_FACES = 10
SPLIT_SEED = 0
TRAINING_SHARE = 0.8
MAX_NAME = 150  # bytes: folders of results carry it between the names of two networks


class AnimeFaces(ImageData):
    """Faces (3, size, size) from picture files of any size, in a folder or a zip.

    Each picture is cut to a square around its middle and resized; transparent parts become white.
    80 % of them, drawn with a seed of their own, are for training, and the others held out. What
    can't be read is left out: `skipped` lists the names and the reasons.

    Parameters
    ----------
    path : str or Path, optional
        A zip, or a folder that is searched with all that it holds. Without one it is
        `anime_faces.zip` or the folder `anime_faces` in `root`.
    num_train, num_held_out : int
        Use only the first so many faces of either part; 0 means all.

    Raises
    ------
    CourseError
        If there are no faces or too few, if the zip is damaged or made to do harm, or if its name
        is too long for a folder of results.
    """

    features = 'faces'

    def __init__(
        self, path=None, num_train=0, num_held_out=0, size=64, root=paths.DATA, batch_size=64
    ):
        own = path is not None
        path = archive.given(path) if own else find_faces(Path(root))
        if len(path.name.encode(errors='surrogateescape')) > MAX_NAME:
            raise CourseError(
                f'{path.name} is too long a name for the folders of its results: give a link to it '
                f'that has at most {MAX_NAME} letters.'
            )
        images, self.skipped = read_pictures(path, 3, size, MIN_FACES, root)
        training, held_out = split(len(images))
        source = f'{len(images)} faces in {path.name}'
        (training,) = first('num_train', num_train, f'to train with ({source})', training)
        (held_out,) = first('num_held_out', num_held_out, f'to hold out ({source})', held_out)
        super().__init__(
            stem(path) if own else 'anime',
            (images[training], None),
            (images[held_out], None),
            source,
            batch_size,
        )


def stem(path):
    path = path.resolve()
    return path.name if path.is_dir() else path.stem


def find_faces(root):
    for path in (root / 'anime_faces.zip', root / 'anime_faces'):
        if os.path.lexists(path):  # a link to nothing is named, not passed over
            return path
    raise CourseError(
        f'There are no anime faces: put anime_faces.zip, or a folder anime_faces with pictures, '
        f'into {root}, or use dataset=avatars.'
    )


def split(num):
    """Positions of the training and of the held-out faces, in an order that never changes."""
    order = onp.random.default_rng(SPLIT_SEED).permutation(num)
    stop = int(TRAINING_SHARE * num)
    return order[:stop], order[stop:]
