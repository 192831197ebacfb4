"""Weights, pictures and noise that are the same in both environments, drawn by NumPy."""

import math

import numpy as np

NUM, STEPS = 8, 3  # pictures of a batch, and batches


def weights(shapes):
    """An array for each parameter, weights in proportion to 1/sqrt(inputs)."""
    rng = np.random.RandomState(0)  # its numbers are the same in every version of NumPy
    for shape in shapes:
        yield (rng.standard_normal(shape) / math.sqrt(math.prod(shape[1:]))).astype('float32')


def batches(shape, latents):
    """Pictures (NUM, C, H, W) in [0, 1] and the noise of their latents, for each step."""
    rng = np.random.RandomState(1)
    for _ in range(STEPS):
        X, eps = rng.random_sample((NUM, *shape)), rng.standard_normal((NUM, latents))
        yield X.astype('float32'), eps.astype('float32')
