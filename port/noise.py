"""What is drawn for an epoch, number for number what the course draws, and pictures changed by it.

Everything derives from (seed, epoch, step), as in `d2lvae.training.Trainer`.
"""

import numpy as np
import torch
from torch.nn import functional as F

AUGMENTED_PART = 0.8
PRIOR_NOISE, MOVES = 1, 2  # random streams of a step beside that of its latents


def draws(p, seed, epoch, num, shape):
    """The draws of an epoch by name, NumPy arrays with one entry for each of its steps.

    `num` training pictures of `shape` (C, H, W); `order` holds the positions of each batch.
    """
    num_steps, size = num // p.batch_size, p.batch_size
    order = np.random.default_rng((seed, epoch)).permutation(num)[: num_steps * size]
    steps = [step_draws(p, (seed, epoch), i, num_steps, shape) for i in range(num_steps)]
    found = {name: np.stack([step[name] for step in steps]) for name in steps[0]}
    return {'order': order.reshape(num_steps, size), **found}


def step_draws(p, of_epoch, step, num_steps, shape):
    epoch, latents = of_epoch[1], (p.batch_size, p.latents)
    rng = np.random.default_rng((*of_epoch, step))
    found = {'eps': rng.standard_normal(latents, dtype='float32')}
    if p.augment and epoch < AUGMENTED_PART * p.num_epochs:
        found['affine'] = affine(p.batch_size, p.augment, shape[-1], rng)
    if p.flip:
        found['mirror'] = rng.random(p.batch_size) < 0.5
    if p.binarise_input:
        found['threshold'] = rng.random((p.batch_size, *shape), dtype='float32')
    if p.dis_l_weight:
        of_run = epoch * num_steps + step
        rng = np.random.default_rng((*of_epoch, of_run, PRIOR_NOISE))
        found['prior_eps'] = rng.standard_normal(latents, dtype='float32')
    if p.disc_shift:
        rng = np.random.default_rng((*of_epoch, step, MOVES))
        found['rows'], found['columns'] = move(p.disc_shift, shape, rng)
    return found


def affine(num, shift, side, rng):
    """The maps (num, 2, 3) of `d2lvae.augment.jittered`."""
    angle = 0.16 * shift * rng.standard_normal(num)
    zoom = np.exp(0.1 * shift * rng.standard_normal(num))
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    dx, dy = 2 * shift / (side - 1) * rng.standard_normal((2, num))
    return np.stack([cos, -sin, dx, sin, cos, dy], axis=1).astype('float32').reshape(num, 2, 3)


def move(reach, shape, rng):
    """Where the rows and the columns of a moved picture come from: `d2lvae.augment.Move`."""
    down, right = rng.integers(-reach, reach + 1, size=2)
    rows, columns = (np.roll(np.arange(n), by) for n, by in zip(shape[1:], (down, right)))
    return rows, columns[::-1] if rng.integers(2) else columns


def moved(X, draws):
    """What the discriminator sees of pictures (N, C, H, W), or of their logits."""
    if 'rows' not in draws:
        return X
    return X.index_select(2, draws['rows']).index_select(3, draws['columns'])


def noisy(X, draws, scramble=False):
    """The pictures of a step, float32 (N, C, H, W) in [0, 1], and what the encoder sees of them."""
    if 'affine' in draws:
        grid = F.affine_grid(draws['affine'], X.shape, align_corners=True)
        X = F.grid_sample(X, grid, align_corners=True).clamp(0, 1)
    if 'mirror' in draws:
        X = torch.where(draws['mirror'].view(-1, 1, 1, 1), X.flip(3), X)
    if scramble:
        X = scrambled(X)
    return X, (draws['threshold'] < X).to(X.dtype) if 'threshold' in draws else X


def scrambled(X):
    """Pictures (N, C, H, W) as the study read them: (H, W, C) by reshape, not by transpose."""
    return X.permute(0, 2, 3, 1).reshape(X.shape)


def unscrambled(X):
    num, channels, height, width = X.shape
    return X.reshape(num, height, width, channels).permute(0, 3, 1, 2)
