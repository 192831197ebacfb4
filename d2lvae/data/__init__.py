"""The data sets of the course: MNIST, anime faces from a folder or zip, and drawn avatars."""

from d2lvae.data.avatars import AvatarFaces
from d2lvae.data.faces import AnimeFaces
from d2lvae.data.images import ImageData, to_float
from d2lvae.data.mnist import MNIST

__all__ = [
    'DATASETS',
    'MNIST',
    'AnimeFaces',
    'AvatarFaces',
    'ImageData',
    'data_class',
    'load_data',
    'to_float',
]
DATASETS = {'mnist': MNIST, 'anime': AnimeFaces, 'avatars': AvatarFaces}


def data_class(dataset):
    """The class of a `dataset=` value: a name in `DATASETS`, or the path of one's own faces."""
    return DATASETS.get(dataset, AnimeFaces)


def load_data(dataset, image_size=64, **sizes):
    """The pictures of a `dataset=` value; `sizes` are num_train, num_held_out and batch_size.

    Raises CourseError if they are not there, too few, or cannot be read.
    """
    cls, own = data_class(dataset), () if dataset in DATASETS else (dataset,)
    sizes |= {} if cls.side else {'size': image_size}
    return cls(*own, **sizes)
