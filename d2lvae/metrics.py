"""Held-out numbers. Pictures are NumPy arrays (N, C, H, W), float32 in [0, 1].

No number stands alone: white noise raises every sharpness figure, so a sharpened picture is held
against `noise_control`, and a distance between sets against the floor that real pictures reach.
"""

from itertools import product
from typing import NamedTuple

import numpy as onp
from mxnet import np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft, linalg, ndimage, optimize, signal, special, stats
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from d2lvae.losses import PBP_LOSSES, kl_divergence, sigmoid

BATCH = 250  # pictures that pass the networks at once
CHUNK = 2**20  # pixels that the log-likelihood decodes at once: 4 MB
LAPLACIAN = onp.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], 'float32')
LUMINANCE = onp.array([0.2989, 0.587, 0.114], 'float32')
BINOMIAL = onp.array([1, 4, 6, 4, 1], 'float32') / 16
PATCH, MIN_LEVEL = 7, 14
PATCHES_PER_PICTURE, DIRECTIONS, DIRECTIONS_AT_ONCE = 16, 512, 16
SURROUNDINGS = 3, 4  # distances in frequencies from a Nyquist frequency of the strides
STRIDED_SIDE = 32  # the shortest at which they reach no more than half-way to the next one
FAINTEST = 1e-12  # power, keeps the log finite; a millionth of that of rounding to 8 bits
ACTIVE_VARIANCE = 0.01
POSTERIOR, PRIOR, BINARY, NOISE, PATCHES = range(5)  # independent random streams of one seed
CONTROL = 'control_{}'  # names of the control's numbers


# Pictures against pictures


def psnr(X, X_hat):
    """Peak signal-to-noise ratio in dB, the mean over pictures of each picture's own.

    Infinite if one picture is reproduced exactly. ValueError if shapes or ranges are wrong.
    """
    check_pairs(X, X_hat)
    with onp.errstate(divide='ignore'):
        pairs = zip(X, X_hat, strict=True)
        return float(onp.mean([peak_signal_noise_ratio(*pair, data_range=1) for pair in pairs]))


def ssim(X, X_hat):
    """Structural similarity (Wang et al. 2004), window 7, 1 at best, the mean over pictures.

    Channels count alike. ValueError if shapes or ranges are wrong, or a side is shorter than 7.
    """
    check_pairs(X, X_hat)
    planes = (-1, *X.shape[2:])  # all have one size, so scikit-image can take them for channels
    return float(
        structural_similarity(
            X.reshape(planes), X_hat.reshape(planes), win_size=7, data_range=1, channel_axis=0
        )
    )


def sharpness(X):
    """Variance of the Laplacian of each grey picture, valid region, the mean over pictures.

    Higher is sharper, or noisier (Tolstikhin et al. 2018, section 4: their pictures in [-1, 1] give
    four times the values). ValueError if the shape or range is wrong.
    """
    check_pictures(X)
    return float(laplacian(grey(X)).var(axis=(1, 2), dtype='float64').mean())


def laplacian(planes):
    """The Laplacian of planes (N, H, W) where it is whole, (N, H - 2, W - 2)."""
    return ndimage.convolve(planes, LAPLACIAN[None])[:, 1:-1, 1:-1]


def template_share(X, X_hat):
    r"""How much of the error in edges is the same in every picture: 0 by chance, 1 at most.

    $$\frac{N \|\bar r\|^2 / \overline{\|r\|^2} - 1}{N - 1}, \quad r = \nabla^2 (\hat x - x)$$

    r is the Laplacian of the error in grey, valid region, and the bar a mean over the N pictures.
    A discriminator that knows where a line belongs teaches one line to all pictures, which is
    sharp, and wrong. Less its value by chance, 1/N, so that it may be negative. Pictures whose
    outlines lie in one place have a share of it by themselves: compare runs of one data set.
    ValueError if shapes or ranges are wrong; 0 if there is no error at all.
    """
    check_pairs(X, X_hat)
    r, num = laplacian(grey(X_hat - X)).astype('float64'), len(X)
    total = onp.mean(onp.sum(r**2, axis=(1, 2)))
    if num == 1 or total == 0:
        return 0.0
    return float((num * onp.sum(r.mean(axis=0) ** 2) / total - 1) / (num - 1))


def sharpness_ratio(X, X_hat):
    """`sharpness` of X_hat as a share of that of the real pictures X: 1 is as sharp as they are."""
    return sharpness(X_hat) / sharpness(X)


def spectrum_distance(X, X_hat):
    """Mean over radial frequencies of |log power of X_hat - log power of X|, in nats, >= 0.

    Power is that of grey pictures, averaged over the set and then over the ring of frequencies that
    round to the same radius, from the mean brightness up to half the shorter side: the azimuthal
    average of Durall et al. 2020. The two sets need not have the same size. ValueError if shapes or
    ranges are wrong.
    """
    check_sets(X, X_hat)
    return float(onp.abs(radial_log_power(X_hat) - radial_log_power(X)).mean())


def checkerboard_ratio(X, X_hat):
    """Power at the Nyquist frequencies of stride 2, over that of real pictures X: 1 is as theirs.

    A transposed convolution of stride 2 gives neighbouring pixels different weights, a pattern of
    period 2 (Odena et al. 2016), and the layer before it one of period 4: frequencies N/2, or N/4,
    along either side or both. Their power is divided by that of the surroundings, 3 and 4
    frequencies away, so that white noise stays near 1, but by no less than that of the real
    surroundings, so that a blurred picture stays below 1 and nothing fainter than real detail
    counts. Summed for each period over its frequencies, of which there are 3 and 12, and divided by
    the same of X, the larger of the two periods' ratios is the result.

    Frequencies nearer than 3 do not count as surroundings, because the picture under the pattern
    spreads its power to them; nor as the pattern, because resizing, which leaves steps but no
    checkerboard, has power there but none at N/2. A Hann window keeps the edges of the frame out.
    Period 8 is left out: there faces have so much detail that patterns hide. Power is the mean over
    channels, for patterns may be in colour alone, and over pictures: with 50 of them the ratio of
    real to real pictures has a standard deviation of 0.2, with 800 of 0.05. The two sets need not
    have the same size.

    Raises
    ------
    ValueError
        If shapes or ranges are wrong, or a side is shorter than 32 or no multiple of 4.
    """
    check_sets(X, X_hat)
    if not has_strides(X):
        raise ValueError(
            f'Sides of {X.shape[2:]} pixels show no stride: they must be multiples of 4 from '
            f'{STRIDED_SIDE} on.'
        )
    (real, around_real), (found, around) = stride_powers(X), stride_powers(X_hat)
    return float((found / onp.maximum(around, around_real) / (real / around_real)).max())


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


def noise_control(X_hat, target_sharpness, seed=0):
    """`X_hat` plus white noise, clipped to [0, 1], with `sharpness` equal to the target.

    What a sharpened reconstruction has to beat. The noise is grey (the same in all channels): the
    least noise that reaches a sharpness measured in grey, so the hardest control. Unchanged if
    `X_hat` is as sharp as that already.

    Raises
    ------
    ValueError
        If not even noise of standard deviation 1 reaches the target, or shape or range are wrong.
    """
    check_pictures(X_hat)
    rng = onp.random.default_rng([seed, NOISE])
    noise = rng.standard_normal((len(X_hat), 1, *X_hat.shape[2:]), 'float32')

    def noisy(sd):
        return onp.clip(X_hat + onp.float32(sd) * noise, 0, 1)

    def excess(sd):
        return sharpness(noisy(sd)) - target_sharpness

    if excess(0) >= 0:
        return X_hat
    if excess(1) < 0:
        raise ValueError(
            f'White noise does not reach a sharpness of {target_sharpness}: '
            f'with standard deviation 1 it is {sharpness(noisy(1)):.3g}.'
        )
    return noisy(optimize.brentq(excess, 0, 1, xtol=1e-7))


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


def grey(X):
    """(N, C, H, W) to (N, H, W): the one channel, or the luminance of the three (ITU-R BT.601)."""
    return X[:, 0] if X.shape[1] == 1 else onp.einsum('nchw,c->nhw', X, LUMINANCE)


def radial_log_power(X):
    height, width = X.shape[2:]
    power = onp.mean(onp.abs(fft.fft2(grey(X), norm='ortho')) ** 2, axis=0, dtype='float64')
    side = min(height, width)
    radius = onp.rint(side * onp.hypot(fft.fftfreq(height)[:, None], fft.fftfreq(width)))
    rings = ndimage.mean(power, radius, index=onp.arange(side // 2 + 1))
    return onp.log(rings + FAINTEST)


def has_strides(X):
    return min(X.shape[2:]) >= STRIDED_SIDE and not any(side % 4 for side in X.shape[2:])


def stride_powers(X):
    """Power at the Nyquist frequencies, and that around them: two arrays, each (periods,).

    The surroundings' power is a geometric mean, on which a slope of the spectrum has no effect.
    """
    window = onp.outer(*(signal.windows.hann(side, sym=False) for side in X.shape[2:]))
    # By channel, because the complex spectra of a large set fill the memory.
    spectra = (
        fft.fft2(X[:, c] * window.astype('float32'), norm='ortho') for c in range(X.shape[1])
    )
    power = sum(onp.mean(onp.abs(s) ** 2, axis=0, dtype='float64') for s in spectra) / X.shape[1]
    nearest, farthest = SURROUNDINGS
    offsets = onp.arange(-farthest, farthest + 1)
    ring = onp.maximum.outer(abs(offsets), abs(offsets)) >= nearest
    at, around = onp.zeros((2, 2))
    for quarters in product(range(4), repeat=2):
        if any(quarters):
            row, column = (q * side // 4 for q, side in zip(quarters, power.shape, strict=True))
            shifted = onp.roll(power, (farthest - row, farthest - column), axis=(0, 1)) + FAINTEST
            period = int(any(q % 2 for q in quarters))  # 0: period 2, 1: period 4
            at[period] += shifted[farthest, farthest]
            around[period] += stats.gmean(shifted[: len(ring), : len(ring)][ring])
    return at, around


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


# Features, latents and seeds


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


def active_units(mu):
    """How many latents the posterior uses: variance of their mean over the data > 0.01.

    `mu` is NumPy (N, latents); Burda et al. 2016, section 5.
    """
    return int((mu.var(axis=0) > ACTIVE_VARIANCE).sum())


def mean_ci95(values):
    """{'mean', 'ci95', 'values'} of one number per seed.

    `ci95` is half the width of Student's 95 % interval of the mean, None for a single value.
    """
    values = [float(v) for v in values]
    ci95 = None
    if len(values) > 1:
        ci95 = float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))
    return {'mean': float(onp.mean(values)), 'ci95': ci95, 'values': values}


def log_likelihood(vae, X, num_samples=500, seed=0):
    r"""Importance-weighted bound on the mean log p(x) of binarised pictures, in nats, < 0.

    $$\log \frac{1}{K} \sum_{k=1}^K \frac{p(x|z_k) p(z_k)}{q(z_k|x)}, \quad z_k \sim q(z|x)$$

    Burda et al. 2016, equation 8, with K = `num_samples`; it rises towards log p(x) with K. Every
    pixel is drawn once from Bernoulli(x), by the seed (Salakhutdinov and Murray 2008), and the
    posterior is that of the binary picture.

    Raises
    ------
    ValueError
        If the decoder was not trained with `pbp_loss='bce'`, so that its sigmoid is no probability,
        or shape or range of X are wrong.
    """
    check_pictures(X)
    if vae.pbp_loss != 'bce':
        raise ValueError(
            "The log-likelihood is that of binary pixels: it needs pbp_loss='bce', "
            f'not {vae.pbp_loss!r}.'
        )
    rng = onp.random.default_rng([seed, BINARY])
    binary = (rng.random(X.shape, 'float32') < X).astype('float32')
    step = max(1, CHUNK // (num_samples * X[0].size))
    bounds = [
        importance_bound(vae, binary[i : i + step], num_samples, rng)
        for i in range(0, len(X), step)
    ]
    return float(onp.concatenate(bounds).mean())


def importance_bound(vae, X, num_samples, rng):
    """The bound for each of the binary pictures X (N, C, H, W), in nats, (N,)."""
    mu, log_var = (a.asnumpy()[:, None] for a in vae.encode(np.array(X)))
    eps = rng.standard_normal((len(X), num_samples, vae.latents), 'float32')
    z = mu + onp.exp(log_var / 2) * eps
    logits = vae.decode(np.array(z.reshape(-1, vae.latents))).asnumpy()
    log_p_x = bernoulli_log_p(X.reshape(len(X), -1, 1), logits.reshape(*z.shape[:2], -1))
    log_p_z_over_q = (eps**2 + log_var - z**2).sum(axis=2) / 2
    return special.logsumexp(log_p_x + log_p_z_over_q, axis=1) - onp.log(num_samples)


def bernoulli_log_p(X, logits):
    """sum_i x_i l_i - log(1 + exp(l_i)): X (N, pixels, 1) and logits (N, K, pixels) to (N, K).

    The first term is a matrix product, so that only the second makes a pass over all pixels, in
    NumPy, whose vectorised exp is several times as fast as MXNet's.
    """
    softplus = onp.maximum(logits, 0) + onp.log1p(onp.exp(-onp.abs(logits)))
    return (logits @ X)[..., 0] - softplus.sum(axis=2)


# All of them for one VAE


def held_out_metrics(
    vae,
    X,
    labels=None,
    control=None,
    features=None,
    reference=None,
    seed=0,
    log_likelihood_samples=500,
):
    """All numbers of one VAE on held-out pictures, a dict from name to float.

    Every distance between sets is to `X`: `swd_samples` and, by the features, `frechet_samples` or
    `kernel_samples` of as many samples of the prior, `*_floor` of the training pictures in
    `reference`, which is about what a perfect sampler would score. Reconstructions are paired with
    `X` and may go below the floor. With few pictures the Frechet distance is biased upwards; all
    three come from equally many, so that the floor shows the bias.

    Parameters
    ----------
    vae : d2lvae.vae.VAE
    X : numpy.ndarray
        Held-out pictures (N, C, H, W), float32 in [0, 1].
    labels : numpy.ndarray, optional
        (N,); with a digit classifier for `features`, gives the digit accuracies.
    control : numpy.ndarray, optional
        The plain VAE's reconstructions of X from the posterior's mean; gives the control's numbers.
    features : d2lvae.frozen.digits.DigitClassifier or d2lvae.frozen.faces.FaceFeatures, optional
        Gives the distances between sets of features that it names in `distance`.
    reference : numpy.ndarray, optional
        As many training pictures as X has; gives the floors.
    log_likelihood_samples : int
        0 leaves the log-likelihood out, which is that of binary pixels; it is left out too if the
        VAE was not trained with the binary cross-entropy or pictures have colours, which have no
        binary form that would mean anything.

    Raises
    ------
    ValueError
        If shapes or ranges are wrong, or noise does not reach the sharpness of the reconstructions.
    """
    check_pictures(X)
    found, samples = reconstructions(vae, X, seed), prior_samples(vae, len(X), seed)
    metrics = picture_metrics(X, found, samples, labels, control, features, reference, seed)
    if vae.pbp_loss == 'bce' and X.shape[1] == 1 and log_likelihood_samples:
        metrics['log_likelihood'] = log_likelihood(vae, X, log_likelihood_samples, seed)
    return metrics


def picture_metrics(
    X, found, samples, labels=None, control=None, features=None, reference=None, seed=0
):
    """`held_out_metrics` but for the log-likelihood, of pictures, whatever has made them.

    `found` are the `Reconstructions` of X, `samples` as many samples of the prior.
    """
    mu, kl, pbp, X_hat, X_sampled = found
    metrics = {
        'kl': kl,
        'pbp': pbp,
        'held_out_loss': kl + pbp,
        'active_units': active_units(mu),
        'sharpness_real': sharpness(X),
        **fidelity(X, X_hat),
        'template_share': template_share(X, X_hat),
    }
    metrics |= {f'{name}_sampled': v for name, v in fidelity(X, X_sampled).items()}
    metrics['sample_sharpness_ratio'] = sharpness(samples) / metrics['sharpness_real']
    sets = {'{}_reconstructions': X_hat, '{}_samples': samples}
    if reference is not None:
        sets['{}_floor'] = reference
    if control is not None:
        sets[CONTROL] = noise_control(control, metrics['sharpness'], seed)
        metrics |= control_fidelity(X, sets[CONTROL])
    metrics |= set_distances(X, sets, features, seed)
    if labels is not None and features is not None and features.knows_labels:
        metrics |= digit_accuracies(sets, labels, features)
    return {name: float(value) for name, value in metrics.items()}


class Reconstructions(NamedTuple):
    """What a VAE makes of pictures, as NumPy."""

    mu: onp.ndarray  # the posterior's means (N, latents)
    kl: float  # the mean loss terms, with one sampled z for each picture
    pbp: float
    X_hat: onp.ndarray  # decoded from the posterior's mean, (N, C, H, W)
    X_sampled: onp.ndarray  # decoded from that z


def reconstruct(vae, X):
    """Pictures decoded from the posterior's mean, NumPy (N, C, H, W)."""
    return onp.concatenate([vae.reconstruct(*batch).asnumpy() for batch in batches(X)])


def reconstructions(vae, X, seed=0):
    """The `Reconstructions` of NumPy pictures X (N, C, H, W); the noise of z follows the seed."""
    rng = onp.random.default_rng([seed, POSTERIOR])
    eps = rng.standard_normal((len(X), vae.latents), 'float32')
    parts = [reconstructed_batch(vae, *batch) for batch in batches(X, eps)]
    mu, kl, pbp, X_hat, X_sampled = map(onp.concatenate, zip(*parts, strict=True))
    means = (terms.mean(dtype='float64') for terms in (kl, pbp))
    return Reconstructions(mu, *means, X_hat, X_sampled)


def reconstructed_batch(vae, X, eps):
    mu, log_var = vae.encode(X)
    logits = vae.decode(vae.sample(mu, log_var, eps))
    kl, pbp = kl_divergence(mu, log_var), PBP_LOSSES[vae.pbp_loss](logits, X)
    X_hat = sigmoid(vae.decode(mu))
    return [a.asnumpy() for a in (mu, kl, pbp, X_hat, sigmoid(logits))]


def prior_samples(vae, num, seed=0):
    """Pictures (num, C, H, W) decoded from latents drawn from N(0, 1) by the seed, as NumPy."""
    z = onp.random.default_rng([seed, PRIOR]).standard_normal((num, vae.latents), 'float32')
    return onp.concatenate([sigmoid(vae.decode(*batch)).asnumpy() for batch in batches(z)])


def batches(*arrays):
    """Successive pieces of equally long NumPy arrays, as MXNet arrays."""
    for i in range(0, len(arrays[0]), BATCH):
        yield [np.array(a[i : i + BATCH]) for a in arrays]


def fidelity(X, X_hat):
    """How good and how sharp reconstructions are, picture by picture."""
    strides = {'checkerboard_ratio': checkerboard_ratio(X, X_hat)} if has_strides(X) else {}
    return {
        'psnr': psnr(X, X_hat),
        'ssim': ssim(X, X_hat),
        'sharpness': sharpness(X_hat),
        'sharpness_ratio': sharpness_ratio(X, X_hat),
        'spectrum_distance': spectrum_distance(X, X_hat),
        **strides,
    }


def control_fidelity(X, noisy):
    """How good the noise control `noisy`, equally sharp, is in place of reconstructions of X."""
    return {
        'control_psnr': psnr(X, noisy),
        'control_ssim': ssim(X, noisy),
        'control_spectrum_distance': spectrum_distance(X, noisy),
    }


def set_distances(X, sets, features=None, seed=0):
    """Distances of X from other sets, {name of a metric, with {} for the distance: pictures}."""
    distances = sliced_wassersteins(X, list(sets.values()), seed)
    metrics = {name.format('swd'): d for name, d in zip(sets, distances, strict=True)}
    if features is not None:
        real = features.features(X)
        for name, A in sets.items():
            # Where there are labels, the share of right ones says more of the control.
            if name != CONTROL or not features.knows_labels:
                distance = SET_DISTANCES[features.distance](real, features.features(A))
                metrics[name.format(features.distance)] = distance
    return metrics


def digit_accuracies(sets, labels, features):
    """Shares of right digits among the reconstructions and, if there is one, in the control."""
    metrics = {'digit_accuracy': features.accuracy(sets['{}_reconstructions'], labels)}
    if CONTROL in sets:
        metrics[CONTROL.format('digit_accuracy')] = features.accuracy(sets[CONTROL], labels)
    return metrics
