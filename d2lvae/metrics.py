"""Held-out numbers. Pictures are NumPy arrays (N, C, H, W), float32 in [0, 1].

No number stands alone: white noise raises every sharpness figure, so a sharpened picture is held
against `noise_control`, and a distance between sets against the floor that real pictures reach.
"""

from itertools import product
from typing import NamedTuple

import numpy as onp
from mxnet import np
from scipy import fft, ndimage, optimize, signal, special, stats
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from d2lvae.distances import check_pairs, check_pictures, check_sets
from d2lvae.losses import PBP_LOSSES, kl_divergence, sigmoid

BATCH = 250  # pictures that pass the networks at once
CHUNK = 2**20  # pixels that the log-likelihood decodes at once: 4 MB
LAPLACIAN = onp.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], 'float32')
LUMINANCE = onp.array([0.2989, 0.587, 0.114], 'float32')
SURROUNDINGS = 3, 4  # distances in frequencies from a Nyquist frequency of the strides
STRIDED_SIDE = 32  # the shortest at which they reach no more than half-way to the next one
FAINTEST = 1e-12  # power, keeps the log finite; a millionth of that of rounding to 8 bits
ACTIVE_VARIANCE = 0.01
POSTERIOR, PRIOR, BINARY, NOISE = range(4)  # independent random streams of one seed


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


# Features, latents and seeds


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


# What a VAE makes of pictures


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
