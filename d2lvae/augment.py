"""Pictures changed at random: jittered, mirrored, binarised.

Pictures X are float32 in [0, 1] with shape (N, C, H, W); `rng` is a `numpy.random.Generator`.
"""

from typing import NamedTuple

import mxnet as mx
import numpy as onp
from mxnet import np


def jittered(X, shift, rng):
    """Pictures (N, C, H, W) in [0, 1], each shifted, turned and zoomed a little at random.

    Standard deviations: `shift` pixels, 0.16 `shift` radians, 0.1 `shift` of the logarithm of the
    size. Bilinear; what comes in from outside is black.
    """
    n = len(X)
    angle = 0.16 * shift * rng.standard_normal(n)
    zoom = onp.exp(0.1 * shift * rng.standard_normal(n))
    cos, sin = zoom * onp.cos(angle), zoom * onp.sin(angle)
    dx, dy = 2 * shift / (X.shape[-1] - 1) * rng.standard_normal((2, n))
    affine = onp.stack([cos, -sin, dx, sin, cos, dy], axis=1).astype('float32')
    grid = mx.nd.GridGenerator(mx.nd.array(affine), 'affine', target_shape=X.shape[2:])
    return np.clip(mx.nd.BilinearSampler(X.as_nd_ndarray(), grid).as_np_ndarray(), 0, 1)


def mirrored(X, rng):
    """Pictures (N, C, H, W), each mirrored left to right with probability 1/2."""
    chosen = np.array(rng.random(len(X)) < 0.5).reshape(-1, 1, 1, 1)
    return np.where(chosen, np.flip(X, axis=3), X)


def binarised(X, rng):
    """Pictures (N, C, H, W) with each pixel drawn from Bernoulli(pixel): 0 or 1."""
    return (np.array(rng.random(X.shape, dtype='float32')) < X).astype('float32')


class Move(NamedTuple):
    """A shift by whole pixels, wrapped around the edges, and perhaps a mirroring of a whole batch.

    The discriminator sees real and fake pictures with the same move, a new one at each step, so
    that it cannot learn by heart where a line belongs: Zhao et al. 2020, equations 3 and 4, in the
    simplest form.
    """

    down: int
    right: int
    mirror: bool

    @classmethod
    def drawn(cls, reach, rng):
        """A move by up to `reach` pixels either way, mirrored or not; none at all if that is 0."""
        if not reach:
            return STILL
        down, right = rng.integers(-reach, reach + 1, size=2)
        return cls(int(down), int(right), bool(rng.integers(2)))

    def there(self, X):
        """X (N, C, H, W) moved."""
        moved = rolled(X, self.down, self.right)
        return np.flip(moved, axis=3) if self.mirror else moved

    def back(self, X):
        """What `there` has moved, in its old place."""
        moved = np.flip(X, axis=3) if self.mirror else X
        return rolled(moved, -self.down, -self.right)


STILL = Move(0, 0, False)


def rolled(X, down, right):
    return np.roll(X, (down, right), axis=(2, 3)) if down or right else X
