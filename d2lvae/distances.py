"""Distances between sets: of pictures, patch by patch, and of their features.

Pictures are NumPy arrays (N, C, H, W), float32 in [0, 1]. A distance says little alone: it is held
against the floor, that of other real pictures.
"""

import numpy as onp
from numpy.lib.stride_tricks import sliding_window_view
from scipy import linalg, ndimage

BINOMIAL = onp.array([1, 4, 6, 4, 1], 'float32') / 16
PATCH, MIN_LEVEL = 7, 14
PATCHES_PER_PICTURE, DIRECTIONS, DIRECTIONS_AT_ONCE = 16, 512, 16
PATCHES = 4  # the random stream of a seed; 0 to 3 are those of `metrics`


def sliced_wasserstein(A, B, seed=0):
    """Sliced Wasserstein distance of two sets' 7x7 patches, the mean over pyramid levels, >= 0.

    Karras et al. 2018, section 5: patches at random places of every level of a Laplacian pyramid,
    each set normalised by its own mean and standard deviation for each channel, projected on random
    unit directions; the mean distance of the sorted projections. One unit is one standard deviation
    of a level's pixels (their tables show 1000 times it). Blind to contrast by the normalisation,
    which is what `sharpness` and `spectrum_distance` see. Levels are halved while the shorter side
    stays >= 14: 28 and 14, or 64, 32 and 16. 16 patches a picture, 512 directions; both sets are
    cut at the same places, so that a set has distance 0 from itself.

    Raises
    ------
    ValueError
        If shapes (the number of pictures too) or ranges are wrong, or a side is shorter than 7.
    """
    return sliced_wassersteins(A, [B], seed)[0]


def sliced_wassersteins(A, others, seed=0):
    """The `sliced_wasserstein` distance of A from each of the others, which sorts A only once."""
    for B in others:
        check_pairs(A, B)
    rng = onp.random.default_rng([seed, PATCHES])
    levels = zip(*map(laplacian_pyramid, [A, *others]), strict=True)
    by_level = [level_distances(*level, rng=rng) for level in levels]
    return [float(onp.mean(distances)) for distances in zip(*by_level, strict=True)]


def blurred(X):
    for axis in (2, 3):
        X = ndimage.convolve1d(X, BINOMIAL, axis, mode='mirror')
    return X


def enlarged(X, shape):
    """Every second pixel from X, zeros between, blurred (Burt and Adelson 1983)."""
    fine = onp.zeros(shape, X.dtype)
    fine[:, :, ::2, ::2] = X
    return blurred(4 * fine)


def laplacian_pyramid(X):
    """X minus what remains of it at half the size, that in turn, ..., and the smallest as it is."""
    while min(X.shape[2:]) >= 2 * MIN_LEVEL:
        half = blurred(X)[:, :, ::2, ::2]
        yield X - enlarged(half, X.shape)
        X = half
    yield X


def level_distances(A, *others, rng):
    height, width = A.shape[2] - PATCH + 1, A.shape[3] - PATCH + 1
    top, left = rng.integers([[[height]], [[width]]], size=(2, len(A), PATCHES_PER_PICTURE))
    directions = rng.standard_normal((DIRECTIONS, A.shape[1] * PATCH**2), 'float32')
    directions /= linalg.norm(directions, axis=1, keepdims=True)
    patches = [normalised_patches(X, top, left) for X in (A, *others)]
    blocks = onp.split(directions, DIRECTIONS // DIRECTIONS_AT_ONCE)
    by_block = [block_distances(d, *patches) for d in blocks]
    return [onp.mean(distances) for distances in zip(*by_block, strict=True)]


def block_distances(directions, a, *others):
    a = onp.sort(directions @ a.T)
    return [onp.abs(a - onp.sort(directions @ b.T)).mean() for b in others]


def normalised_patches(X, top, left):
    """The patches at (N, patches) places, flat: (N * patches, C * 49)."""
    windows = sliding_window_view(X, (PATCH, PATCH), axis=(2, 3))
    patches = windows[onp.arange(len(X))[:, None], :, top, left]
    sd = patches.std(axis=(0, 1, 3, 4), keepdims=True)
    patches = (patches - patches.mean(axis=(0, 1, 3, 4), keepdims=True)) / onp.where(sd, sd, 1)
    return patches.reshape(top.size, -1)


def frechet_distance(F_a, F_b):
    r"""Distance of the Gaussians fitted to two sets of features, NumPy (N, D), N >= 2; >= 0.

    $$|m_a - m_b|^2 + \mathrm{tr}(C_a + C_b - 2 (C_a C_b)^{1/2})$$

    Heusel et al. 2017, equation 6. Biased upwards for few pictures: compare only numbers from
    equally many, and with the floor. ValueError if features are not finite or fewer than two.
    """
    cov_a, cov_b = onp.cov(F_a, rowvar=False), onp.cov(F_b, rowvar=False)
    # Equal to the trace of the matrix root, but defined for the singular covariances of dead units.
    roots = onp.sqrt(onp.maximum(linalg.eigvals(cov_a @ cov_b).real, 0))
    shift = F_a.mean(axis=0, dtype='float64') - F_b.mean(axis=0, dtype='float64')
    return float(shift @ shift + onp.trace(cov_a) + onp.trace(cov_b) - 2 * roots.sum())


def kernel_distance(F_a, F_b):
    r"""Squared MMD of two sets of features with a cubic kernel, NumPy (M, D) and (N, D).

    $$\frac{\sum_{i \ne j} k(a_i, a_j)}{M (M - 1)} + \frac{\sum_{i \ne j} k(b_i, b_j)}{N (N - 1)}
    - \frac{2 \sum_{i, j} k(a_i, b_j)}{M N}, \quad k(x, y) = \left( \frac{x^T y}{D} + 1 \right)^3$$

    The kernel Inception distance of Binkowski et al. 2018 (section 4; the estimator is equation 3
    of Gretton et al. 2012), on features of one's own. Unbiased, unlike the Frechet distance: its
    mean is 0 for two samples of one distribution, however few, so that it may be negative.
    ValueError if features are not finite or fewer than two.
    """
    F_a, F_b = F_a.astype('float64'), F_b.astype('float64')
    for F in (F_a, F_b):
        if len(F) < 2 or not onp.isfinite(F).all():
            raise ValueError(f'Two finite rows of features at least are needed, not {F}.')
    return float(mean_of_pairs(F_a) + mean_of_pairs(F_b) - 2 * kernel(F_a, F_b).mean())


def kernel(F_a, F_b):
    return (F_a @ F_b.T / F_a.shape[1] + 1) ** 3


def mean_of_pairs(F):
    """The kernel's mean over pairs of different rows: a row's with itself would be the bias."""
    K = kernel(F, F)
    return (K.sum() - onp.trace(K)) / (len(F) * (len(F) - 1))


SET_DISTANCES = {'frechet': frechet_distance, 'kernel': kernel_distance}


def check_pictures(*sets):
    for X in sets:
        if X.ndim != 4 or X.shape[1] not in (1, 3) or X.dtype.kind != 'f':
            raise ValueError(
                f'Pictures are floats of shape (N, 1 or 3, H, W), but these are '
                f'{X.dtype} of shape {X.shape}.'
            )
        if not (X.min() >= 0 and X.max() <= 1):
            raise ValueError(f'Pictures are in [0, 1], but these are in [{X.min()}, {X.max()}].')


def check_sets(A, B):
    check_pictures(A, B)
    if A.shape[1:] != B.shape[1:]:
        raise ValueError(f'Pictures of shape {A.shape[1:]} are compared with {B.shape[1:]}.')


def check_pairs(A, B):
    check_sets(A, B)
    if len(A) != len(B):
        raise ValueError(f'{len(A)} pictures are compared with {len(B)}: make them equally many.')
