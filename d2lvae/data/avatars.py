"""Faces drawn on this machine, for whoever has no anime faces."""

import functools
import hashlib
import importlib.metadata
import importlib.resources
import io
import json
from pathlib import Path

import numpy as onp
import resvg_py
from PIL import Image
from tqdm import tqdm

from d2lvae.base import paths
from d2lvae.data import cache
from d2lvae.data.images import ImageData

PACKAGES = ('dicebear-core', 'dicebear-styles', 'resvg-py')
OPTIONS = {
    'scale': 1.3,  # the head fills the frame, and only a high bun is cut
    'backgroundColor': '#b6e3f4 #c0aede #d1d4f9 #ffd5dc #ffdfbf #c8e6c9 #fff3b0 #e8e8e8'.split(),
}
BLOCK = 200  # faces that are drawn and kept together, so that any number shares what is there


class AvatarFaces(ImageData):
    """Drawn faces (3, size, size), the same on every machine with the same packages.

    Remix of "Adventurer" by Lisa Wischofsky, licensed under CC BY 4.0, as DiceBear's styles have
    it. Training face i follows from the text `train-i`, held-out face i from `held-out-i`, so that
    neither part depends on the size of the other.

    Parameters
    ----------
    num_train, num_held_out : int
        How many faces; 0 means 800 and 200.

    Raises
    ------
    CourseError
        If what was drawn can't be kept in `root`.
    """

    default_sizes, features = (800, 200), 'faces'

    def __init__(self, num_train=0, num_held_out=0, size=64, root=paths.DATA, batch_size=64):
        folder = Path(root) / 'cache'
        all_train, all_held_out = self.default_sizes
        super().__init__(
            'avatars',
            (faces('train', num_train or all_train, size, folder), None),
            (faces('held-out', num_held_out or all_held_out, size, folder), None),
            "drawn here from DiceBear's adventurer",
            batch_size,
        )


def faces(part, num, size, folder):
    """The first `num` faces of a part (num, 3, size, size), those kept in `folder` not drawn."""
    keys = [f'avatars-{drawn_by()}-{size}-{part}-{start}-{BLOCK}' for start in range(0, num, BLOCK)]
    blocks = [cache.load(folder, key) for key in keys]
    missing = [i for i, block in enumerate(blocks) if block is None]
    with tqdm(total=BLOCK * len(missing), desc='avatars', leave=False, disable=None) as bar:
        for i in missing:
            drawn = onp.empty((BLOCK, 3, size, size), 'uint8')
            for j in range(BLOCK):
                drawn[j] = draw(f'{part}-{BLOCK * i + j}', size)
                bar.update()
            cache.store(folder, keys[i], drawn)
            blocks[i] = drawn, {}
    return onp.concatenate([images for images, _ in blocks])[:num]


def drawn_by():
    """A short digest of all that decides what a face looks like, beside its text and its size."""
    versions = [importlib.metadata.version(package) for package in PACKAGES]
    return hashlib.sha256(json.dumps([versions, OPTIONS]).encode()).hexdigest()[:16]


def draw(text, size):
    """The face that follows from a text, (3, size, size) as uint8."""
    png = resvg_py.svg_to_bytes(
        svg_string=svg(text), width=size, height=size, skip_system_fonts=True
    )
    return onp.asarray(Image.open(io.BytesIO(png)).convert('RGB')).transpose(2, 0, 1)


def svg(text):
    return avatar(text).to_string()


def parts(text, names):
    """Which variant of each named part, such as 'eyes', a face has, from 0."""
    options = avatar(text).to_json()['options']
    variants = {name: sorted(adventurer().components()[name].variants()) for name in names}
    return [variants[name].index(options[f'{name}Variant']) for name in names]


def avatar(text):
    from dicebear import Avatar  # takes two seconds, which only those who draw shall wait

    return Avatar(adventurer(), {'seed': text, **OPTIONS})


@functools.cache
def adventurer():
    """DiceBear's definition of the style, checked once, which takes a second."""
    from dicebear import Style

    definition = importlib.resources.files('dicebear_styles') / 'adventurer.json'
    return Style(json.loads(definition.read_text('utf-8')))
