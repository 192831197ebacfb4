"""The data sets of the course: MNIST, anime faces from a folder or zip, and drawn avatars."""

from d2lvae.data.avatars import AvatarFaces
from d2lvae.data.faces import AnimeFaces, read_faces
from d2lvae.data.images import ImageData, to_float
from d2lvae.data.mnist import MNIST
from d2lvae.data.own import read_pictures

__all__ = [
    'MNIST',
    'AnimeFaces',
    'AvatarFaces',
    'ImageData',
    'read_faces',
    'read_pictures',
    'to_float',
]
