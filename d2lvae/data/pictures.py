"""Picture files as arrays: one reader for faces and digits, to train with and to score."""

import contextlib
import io
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as onp
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from d2lvae.base.errors import CourseError
from d2lvae.data import archive, cache

DECODER = 1  # to be raised with any change of the pixels that a file is decoded to
MIN_SIDE = 16  # pixels of a face
CACHED_AS = {1: 'digits', 3: 'faces'}  # by the number of channels
TOO_LARGE = f'more than {Image.MAX_IMAGE_PIXELS // 10**6} megapixels: make it smaller'


def read_pictures(path, channels, size, least, root):
    """All pictures of a folder or a zip; what is left out is told on standard error.

    Parameters
    ----------
    path : Path
        A zip, or a folder that is searched with all that it holds.
    channels : 1 or 3
        1: digits, made grey and resized; 3: faces, cut to a square around their middle and resized.
    least : int
        How many there must be.
    root : str or Path
        The folder in whose `cache` decoded pictures are kept.

    Returns
    -------
    images : numpy.ndarray
        uint8 (N, channels, size, size).
    left_out : list of tuple of str
        Names and reasons of the pictures that were not read.

    Raises
    ------
    CourseError
        If there are too few pictures, if all are of one colour, or as in `archive.pictures_in`.
    """
    files, left_out = archive.pictures_in(path)
    key = f'{CACHED_AS[channels]}-{archive.content_key(path, files)}-{size}-{DECODER}'
    images, facts = cache.load(Path(root) / 'cache', key) or ((), {'skipped': []})
    skipped = [tuple(pair) for pair in facts['skipped']]
    if len(images) + len(skipped) != len(files):
        images, skipped = decode_all(files, channels, size)
        if len(images) >= least:
            cache.store(Path(root) / 'cache', key, images, skipped=skipped)
    left_out = sorted(left_out + skipped)
    refuse_useless(path, images, least, f' ({described(left_out)})' if left_out else '')
    if left_out:
        archive.tell(f'{path.name}: {described(left_out)}.')
    return images, left_out


def refuse_useless(path, images, least, why=''):
    """CourseError if there are too few pictures, or if none of them shows anything."""
    if len(images) < least:
        raise CourseError(
            f'{path} holds {len(images)} readable pictures{why}, but at least {least} are needed: '
            f'add more ({", ".join(archive.FORMATS)} are read).'
        )
    if all((image == image[:, :1, :1]).all() for image in images):
        raise CourseError(
            f'Each of the {len(images)} pictures in {path} is of one colour, so nothing can be '
            'compared: give pictures that show something.'
        )


def described(left_out, num=3):
    """How many files are left out, and for each reason how many and the first of their names."""
    by_reason = defaultdict(list)
    for name, reason in left_out:
        by_reason[reason].append(' '.join(name.split()))
    groups = [
        f'{reason} ({", ".join(names[:num])}'
        + (f' and {len(names) - num} more)' if len(names) > num else ')')
        for reason, names in by_reason.items()
    ]
    groups[num + 2 :] = ['...'] * (len(groups) > num + 2)
    return f'{len(left_out)} left out: {"; ".join(groups)}'


def decode_all(files, channels, size):
    """The readable files as uint8 (N, channels, size, size), names and reasons of the others."""
    images, skipped = onp.empty((len(files), channels, size, size), 'uint8'), []
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        warnings.simplefilter('error', Image.DecompressionBombWarning)
        for i, file in enumerate(tqdm(files, desc='pictures', leave=False, disable=None)):
            try:
                images[i - len(skipped)] = decode(file.read(), size, channels)
            except MemoryError:
                raise  # which is no fault of the file
            except Exception as e:  # damaged files bring errors of any kind out of Pillow
                skipped.append((file.name, archive.reason(e)))
    return images[: len(files) - len(skipped)], skipped


def decode(content, size, channels=3):
    """A file's bytes as uint8 (channels, size, size); ValueError or Pillow's own if it can't be."""
    try:
        picture = Image.open(io.BytesIO(content), formats=tuple(archive.FORMATS))
    except UnidentifiedImageError:
        raise ValueError(archive.NO_PICTURE) from None  # Pillow names an address
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ValueError(TOO_LARGE) from None
    if channels == 3 and min(picture.size) < MIN_SIDE:
        raise ValueError(f'only {picture.width} x {picture.height} pixels')
    picture.load()
    with contextlib.suppress(SyntaxError):  # camera data that make no sense
        picture = ImageOps.exif_transpose(picture)
    picture = eight_bits(picture)
    if channels == 1:
        return onp.asarray(light_on_dark(picture).resize((size, size)))[None]
    fitted = ImageOps.fit(on_white(picture), (size, size), Image.Resampling.LANCZOS)
    return onp.asarray(fitted).transpose(2, 0, 1)


def eight_bits(picture):
    """16-bit grey as its upper half: Pillow would clip all but the darkest."""
    if not picture.mode.startswith('I'):
        return picture
    grey, transparent = onp.asarray(picture), picture.info.get('transparency')
    upper = Image.fromarray((grey >> 8).astype('uint8'))
    if transparent is not None:
        upper.putalpha(Image.fromarray(onp.where(grey == transparent, 0, 255).astype('uint8')))
    return upper


def on_white(picture):
    """The picture as RGB, on white where it is transparent."""
    if not picture.has_transparency_data:
        return picture.convert('RGB')
    picture = picture.convert('RGBA')
    white = Image.new('RGBA', picture.size, 'white')
    return Image.alpha_composite(white, picture).convert('RGB')


def light_on_dark(picture):
    """The picture as grey, on black where it is transparent; dark ink on nothing becomes light."""
    if not picture.has_transparency_data:
        return picture.convert('L')
    bands = picture.convert('RGBA').convert('LA').split()
    ink, opacity = (onp.asarray(band, 'float32') for band in bands)
    if opacity.mean() < 128 and (ink * opacity).sum() < 128 * opacity.sum():
        ink = 255 - ink
    return Image.fromarray(onp.rint(ink * opacity / 255).astype('uint8'))
