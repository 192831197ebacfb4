"""Pictures in memory: uint8 arrays of shape (N, C, H, W), checked, and never changed silently."""

import hashlib

import numpy as onp
from d2l import mxnet as d2l
from mxnet import np

from d2lvae.base import paths
from d2lvae.base.errors import CourseError
from d2lvae.data.archive import given, tell
from d2lvae.data.idx import is_idx, read_digits
from d2lvae.data.pictures import read_pictures, refuse_useless

MIN_SCORED = 2  # pictures, as sets are compared by their covariance


class ImageData(d2l.DataModule):
    """Training and held-out pictures in memory.

    A data set of one's own is a subclass that fills them in, registered in `data.DATASETS`. It is
    made as `TheClass(num_train=..., num_held_out=..., batch_size=...)`, and with `size=` (the
    experiment's `image_size`) unless it has a `side` of its own. What is known before any picture
    is read stands at the class:

    kind : 'digits' or 'faces'
        Which networks and parameters of an experiment apply.
    folder_name : str or None
        The data's name in results folders; None: as in `dataset=`.
    side : int or None
        Height and width in pixels; None: as asked for.
    default_sizes : tuple of int, or None
        Training and held-out pictures that 0 asks for; None: as many as there are.
    features : 'digits', 'faces' or None
        The net in `frozen` whose features score them; None: none does.

    Parameters
    ----------
    train, held_out : tuple of numpy.ndarray
        Pictures (N, C, H, W) as uint8 and their labels (N,), for metrics only, or None.
    source : str
        Where the pictures came from, in words.
    """

    kind, folder_name, side, default_sizes, features = 'faces', None, None, None, None

    def __init__(self, name, train, held_out, source, batch_size=64):
        super().__init__(num_workers=0)
        self.name, self.source, self.batch_size = name, source, batch_size
        self.train_images, self.train_labels = train
        self.held_out_images, self.held_out_labels = held_out
        self.fingerprint = sha256(*(a for a in (*train, *held_out) if a is not None))
        self._train = np.array(self.train_images, dtype='uint8')

    @property
    def shape(self):
        """(C, H, W) of one picture."""
        return self.train_images.shape[1:]

    @classmethod
    def read_own(cls, path, size=64):
        """Other pictures of this kind, to score a finished run on: from a folder, a zip, or idx.

        Returns uint8 digits (N, 1, side, side) or faces (N, 3, side, side), where `size` counts
        only if the class has no `side`, and the labels (N,) that lie beside an idx file, or None.
        Raises CourseError if they can't be read, are fewer than two, or show nothing.
        """
        path, side = given(path), cls.side or size
        if cls.kind == 'faces':
            return read_pictures(path, 3, side, MIN_SCORED, paths.DATA)[0], None
        if is_idx(path):
            images, labels = read_digits(path, side)
            refuse_useless(path, images, MIN_SCORED)
        else:
            images, labels = read_pictures(path, 1, side, MIN_SCORED, paths.DATA)[0], None
        if images.mean() > 127:
            tell(f'{path.name}: digits are light on dark, these are dark on light: invert them.')
        return images, labels

    def shuffled_batches(self, batch_size, rng):
        """One epoch of float32 batches (batch_size, C, H, W) in [0, 1], incomplete ones left out.

        `rng` is a `numpy.random.Generator`; the same generator gives the same order.
        """
        order = np.array(rng.permutation(len(self.train_images)).astype('int32'))
        for i in range(0, len(order) - batch_size + 1, batch_size):
            yield to_float(np.take(self._train, order[i : i + batch_size], axis=0))


def to_float(images):
    """uint8 pictures as float32 in [0, 1], for NumPy and MXNet arrays alike."""
    return images.astype('float32') / 255


def first(name, num, there, *arrays):
    """The first `num` entries of arrays of one length (0: all).

    Raises CourseError, which names the parameter and what is `there`, if it can't.
    """
    if not 0 <= num <= len(arrays[0]):
        raise CourseError(
            f'{name} is {num}, but there are {len(arrays[0])} pictures {there}: '
            f'give {name} a number up to {len(arrays[0])}, or 0 for all.'
        )
    return tuple(a[: num or None] for a in arrays)


def sha256(*arrays):
    """SHA-256 over shapes and bytes of the decoded arrays, whatever file they came from."""
    digest = hashlib.sha256()
    for a in arrays:
        digest.update(f'{a.dtype}{a.shape}'.encode())
        digest.update(onp.ascontiguousarray(a))
    return digest.hexdigest()
