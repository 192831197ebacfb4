"""Pictures changed at random: jittered, mirrored, binarised.

Pictures X are float32 in [0, 1] with shape (N, C, H, W); `rng` is a `numpy.random.Generator`.
"""

import mxnet as mx
import numpy as onp
from mxnet import np


def jittered(X, shift, rng):
    """Pictures (N, C, H, W) in [0, 1], each shifted, turned and zoomed a little at random.

    Standard deviations: `shift` pixels, 0.16 `shift` radians, 0.1 `shift` of the logarithm of the
    size. Bilinear; what comes in from outside is black.
    """
    n = len(X)
    angle, zoom = (
        0.16 * shift * rng.standard_normal(n),
        onp.exp(0.1 * shift * rng.standard_normal(n)),
    )
    cos, sin = zoom * onp.cos(angle), zoom * onp.sin(angle)
    dx, dy = 2 * shift / (X.shape[-1] - 1) * rng.standard_normal((2, n))
    affine = onp.stack([cos, -sin, dx, sin, cos, dy], axis=1).astype('float32')
    grid = mx.nd.GridGenerator(mx.nd.array(affine), 'affine', target_shape=X.shape[2:])
    return np.clip(mx.nd.BilinearSampler(X.as_nd_ndarray(), grid).as_np_ndarray(), 0, 1)


def mirrored(X, rng):
    """Pictures (N, C, H, W), each mirrored left to right with probability 1/2."""
    chosen = np.array(rng.random(len(X)) < 0.5).reshape(-1, 1, 1, 1)
    return np.where(chosen, np.flip(X, axis=3), X)
