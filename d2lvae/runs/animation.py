"""How ten held-out pictures are reconstructed after each epoch: kept in training, and animated."""

import io

import numpy as onp
from PIL import ImageOps

from d2lvae import metrics, plots
from d2lvae.base import files
from d2lvae.base.drawing import PIXELS
from d2lvae.data import to_float

ANIMATION = 'epochs.webp'  # in a results folder
MOST_BYTES = 400_000
DURATIONS = 400, 3000  # ms, of a frame and of the last one
QUALITIES = 90, 75, 60, 45, 30, 15, 0


def ten(images):
    """The first ten pictures in [0, 1]."""
    return to_float(images[:10])


def frame(trainer):
    """The first ten held-out pictures as they are reconstructed now, uint8 (N, C, H, W)."""
    X_hat = metrics.reconstruct(trainer.model, ten(trainer.data.held_out_images))
    return onp.rint(255 * X_hat).astype('uint8')


def animate(images, frames, labels, path):
    """Write a WebP of at most `MOST_BYTES`: pictures, and below them each of `frames` in turn.

    `images` are uint8 (N, C, H, W), and so is each frame; `labels` say what it is. The highest
    quality is taken that is small enough; if none is, every second frame is left out.
    """
    pairs = zip(frames, labels, strict=True)
    rows = [([ten(images), ten(frame)], ['original', label]) for frame, label in pairs]
    drawn = [plots.canvas(*row, PIXELS[0]) for row in rows]
    width = max(image.width for image in drawn)  # of the longest label
    drawn = [ImageOps.expand(i, (width - i.width, 0, 0, 0), 'white') for i in drawn]
    durations = [DURATIONS[0]] * (len(drawn) - 1) + [DURATIONS[1]]
    options = {'save_all': True, 'append_images': drawn[1:], 'duration': durations, 'loop': 0}
    for quality in QUALITIES:
        drawn[0].save(webp := io.BytesIO(), 'WEBP', quality=quality, **options)
        if len(webp.getvalue()) <= MOST_BYTES:
            return files.write_whole(path, webp.getvalue())
    return animate(images, frames[::-2][::-1], labels[::-2][::-1], path)
