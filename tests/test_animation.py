"""The animation of a run's epochs: what is on its frames, how long they stay, how large it is."""

import numpy as onp
from PIL import Image, ImageSequence
from tiny import pictures

from d2lvae.base import drawing
from d2lvae.runs import animation
from d2lvae.runs.animation import animate

SIDE = 1, 28, 28


def noise(num):
    return [pictures(10, SIDE, seed) for seed in range(1, num + 1)]


def test_an_animation_has_the_originals_above_and_each_frame_in_turn(tmp_path):
    first, frames = pictures(10, SIDE), noise(12)
    path = tmp_path / 'epochs.webp'
    animate(first, frames, [f'epoch {i}\nsolo' for i in range(1, 13)], path)
    assert path.stat().st_size <= animation.MOST_BYTES == 400_000
    seen, durations = shots(path)
    assert durations == [400] * 11 + [3000]
    for j in range(10):
        left = seen[0].shape[1] - (10 - j) * (84 + drawing.GAP) + drawing.GAP
        for shot, frame in zip(seen, frames, strict=True):
            tiles = shot[:84, left : left + 84], shot[-84:, left : left + 84]
            found = [tile.reshape(28, 3, 28, 3).mean(axis=(1, 3)) for tile in tiles]
            assert abs(found[0] - first[j, 0] / 255).mean() < 0.1
            assert abs(found[1] - frame[j, 0] / 255).mean() < 0.1


def test_an_animation_that_would_be_too_large_has_fewer_frames_the_last_one_among_them(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(animation, 'MOST_BYTES', 20_000)
    frames, path = noise(12), tmp_path / 'epochs.webp'
    frames[-1][:] = 0
    animate(frames[0], frames, ['epoch'] * 12, path)
    seen, durations = shots(path)
    assert path.stat().st_size <= 20_000 and 1 < len(seen) < 12
    assert durations[-1] == 3000
    assert seen[-1][-84:, -84:].mean() < 0.05 < seen[-2][-84:, -84:].mean()


def shots(path):
    """The frames of an animation, grey in [0, 1], and their durations in ms."""
    with Image.open(path) as image:
        found = [
            (image.convert('L'), image.info['duration']) for image in ImageSequence.Iterator(image)
        ]
    return [onp.asarray(shot) / 255 for shot, _ in found], [duration for _, duration in found]
