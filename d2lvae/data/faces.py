"""Faces from a folder or a zip that the user brings."""

import contextlib
import io
import sys
import warnings
from pathlib import Path

import numpy as onp
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from d2lvae.base import paths
from d2lvae.base.errors import CourseError
from d2lvae.data import archive, cache
from d2lvae.data.images import ImageData, first

DECODER = 1  # to be raised with any change of the pixels that a file is decoded to
FORMATS = ('JPEG', 'PNG', 'WEBP')
MIN_SIDE = 16
MIN_FACES = 10
SPLIT_SEED = 0
TRAINING_SHARE = 0.8


class AnimeFaces(ImageData):
    """Faces (3, size, size) from picture files of any size, in a folder or a zip.

    Each picture is cut to a square around its middle and resized; transparent parts become white.
    80 % of them, drawn with a seed of their own, are for training, and the others held out. Files
    that are no pictures are skipped: `skipped` lists their names and the reasons.

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
        If there are no faces or too few, or if the zip is damaged or made to do harm.
    """

    features = 'faces'

    def __init__(
        self, path=None, num_train=0, num_held_out=0, size=64, root=paths.DATA, batch_size=64
    ):
        name = 'anime' if path is None else stem(Path(path))
        path = find_faces(Path(root)) if path is None else Path(path).expanduser()
        images, self.skipped = load_faces(path, size, Path(root) / 'cache')
        warn_of_skipped(path, self.skipped)
        training, held_out = split(len(images))
        (training,) = first(num_train, 'to train with', training)
        (held_out,) = first(num_held_out, 'to hold out', held_out)
        super().__init__(
            name,
            (images[training], None),
            (images[held_out], None),
            f'{len(images)} faces in {path.name}',
            batch_size,
        )

    @classmethod
    def read_own(cls, path, size=64):
        """Faces from a folder or a zip, uint8 (N, 3, size, size), and None for their labels."""
        return read_faces(path, size), None


def read_faces(path, size, root=paths.DATA):
    """All faces of a folder or zip, uint8 (N, 3, size, size); errors as of `AnimeFaces`."""
    path = Path(path).expanduser()
    images, skipped = load_faces(path, size, Path(root) / 'cache')
    warn_of_skipped(path, skipped)
    return images


def stem(path):
    path = path.expanduser().resolve()
    return path.name if path.is_dir() else path.stem


def find_faces(root):
    for path in (root / 'anime_faces.zip', root / 'anime_faces'):
        if path.exists():
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


def load_faces(path, size, folder):
    """All faces (N, 3, size, size) as uint8, and pairs (name, reason) of what was skipped."""
    if not (path.is_file() or path.is_dir()):
        raise CourseError(f'{path} is neither a zip nor a folder: give the path of the faces.')
    key = f'faces-{archive.content_key(path)}-{size}-{DECODER}'
    stored = cache.load(folder, key)
    if stored:
        images, facts = stored
        return images, [tuple(pair) for pair in facts['skipped']]
    images, skipped = decode_all(path, size)
    cache.store(folder, key, images, skipped=skipped)
    return images, skipped


def decode_all(path, size):
    found, skipped = archive.pictures_in(path), []
    images, num = onp.empty((len(found), 3, size, size), 'uint8'), 0
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        warnings.simplefilter('error', Image.DecompressionBombWarning)
        for name, read in tqdm(found, desc='faces', unit='face', leave=False, disable=None):
            try:
                images[num] = decode(read(), size)
            except MemoryError:
                raise  # which is no fault of the file
            except Exception as e:  # damaged files bring errors of any kind out of Pillow
                skipped.append((name, reason(e)))
            else:
                num += 1
    if num < MIN_FACES:
        raise CourseError(too_few(path, num, skipped))
    return images[:num], skipped


def decode(content, size):
    """A file's bytes as a picture (3, size, size) of uint8."""
    try:
        picture = Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        raise ValueError(f'none of {", ".join(FORMATS)}') from None  # Pillow names an address
    if min(picture.size) < MIN_SIDE:
        raise ValueError(f'only {picture.width} x {picture.height} pixels')
    picture.load()
    with contextlib.suppress(SyntaxError):  # camera data that make no sense
        picture = ImageOps.exif_transpose(picture)
    fitted = ImageOps.fit(opaque(picture), (size, size), Image.Resampling.LANCZOS)
    return onp.asarray(fitted).transpose(2, 0, 1)


def opaque(picture):
    """The picture as 8-bit RGB, on white where it is transparent."""
    if picture.mode.startswith('I'):  # 16-bit grey, of which Pillow would clip all but the darkest
        picture = Image.fromarray((onp.asarray(picture) >> 8).astype('uint8'))
    if not picture.has_transparency_data:
        return picture.convert('RGB')
    picture = picture.convert('RGBA')
    white = Image.new('RGBA', picture.size, 'white')
    return Image.alpha_composite(white, picture).convert('RGB')


def reason(error):
    """What is wrong with a file, without its path, which would differ between machines."""
    return getattr(error, 'strerror', None) or str(error) or type(error).__name__


def too_few(path, num, skipped):
    why = f' ({examples(skipped)})' if skipped else ''
    return (
        f'{path} holds {num} readable pictures{why}, but at least {MIN_FACES} are needed: '
        f'{", ".join(archive.SUFFIXES)} are read.'
    )


def examples(skipped, num=3):
    shown = '; '.join(f'{name}: {reason}' for name, reason in skipped[:num])
    return f'{len(skipped)} skipped, {shown}{"; ..." if len(skipped) > num else ""}'


def warn_of_skipped(path, skipped):
    # Printed, so that a notebook has the sentence alone, on standard error, which nbval doesn't
    # compare: `warnings` would add the path of this file and be silent the second time, and
    # `logging` writes a prefix, as MXNet sets it up.
    if skipped:
        print(
            f'{path.name}: files that are no pictures were left out ({examples(skipped)}).',
            file=sys.stderr,
        )
