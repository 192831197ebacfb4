"""Held-out numbers. Pictures are NumPy arrays (N, C, H, W), float32 in [0, 1].

No number stands alone: white noise raises every sharpness figure, so a sharpened picture is held
against `noise_control`, and a distance between sets against the floor that real pictures reach.
"""

import numpy as onp
from mxnet import np, npx
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft, linalg, ndimage, optimize, special, stats
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from d2lvae.losses import PBP_LOSSES, kl_divergence

BATCH = 250  # pictures that pass the networks at once
CHUNK = 2**20  # pixels that the log-likelihood decodes at once: 4 MB
LAPLACIAN = onp.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], 'float32')
LUMINANCE = onp.array([0.2989, 0.587, 0.114], 'float32')
BINOMIAL = onp.array([1, 4, 6, 4, 1], 'float32') / 16
PATCH, MIN_LEVEL = 7, 14
PATCHES_PER_PICTURE, DIRECTIONS, DIRECTIONS_AT_ONCE = 16, 512, 16
FAINTEST = 1e-12  # power, keeps the log finite; a millionth of that of rounding to 8 bits
ACTIVE_VARIANCE = 0.01
POSTERIOR, PRIOR, BINARY, NOISE, PATCHES = range(5)  # independent random streams of one seed


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
    edges = ndimage.convolve(grey(X), LAPLACIAN[None])[:, 1:-1, 1:-1]
    return float(edges.var(axis=(1, 2), dtype='float64').mean())


def spectrum_distance(X, X_hat):
    """Mean over radial frequencies of |log power of X_hat - log power of X|, in nats, >= 0.

    Power is that of grey pictures, averaged over the set and then over the ring of frequencies that
    round to the same radius, from the mean brightness up to half the shorter side: the azimuthal
    average of Durall et al. 2020. The two sets need not have the same size. ValueError if shapes or
    ranges are wrong.
    """
    check_sets(X, X_hat)
    return float(onp.abs(radial_log_power(X_hat) - radial_log_power(X)).mean())


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
    check_pairs(A, B)
    rng = onp.random.default_rng([seed, PATCHES])
    levels = zip(laplacian_pyramid(A), laplacian_pyramid(B), strict=True)
    return float(onp.mean([level_distance(a, b, rng) for a, b in levels]))


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
    levels = []
    while min(X.shape[2:]) >= 2 * MIN_LEVEL:
        half = blurred(X)[:, :, ::2, ::2]
        levels.append(X - enlarged(half, X.shape))
        X = half
    return [*levels, X]


def level_distance(A, B, rng):
    height, width = A.shape[2] - PATCH + 1, A.shape[3] - PATCH + 1
    top, left = rng.integers([[[height]], [[width]]], size=(2, len(A), PATCHES_PER_PICTURE))
    directions = rng.standard_normal((DIRECTIONS, A.shape[1] * PATCH**2), 'float32')
    directions /= linalg.norm(directions, axis=1, keepdims=True)
    a, b = normalised_patches(A, top, left), normalised_patches(B, top, left)
    blocks = onp.split(directions, DIRECTIONS // DIRECTIONS_AT_ONCE)
    return onp.mean([onp.abs(onp.sort(d @ a.T) - onp.sort(d @ b.T)).mean() for d in blocks])


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

    Every distance between sets is to `X`: `swd_samples` and `frechet_samples` of as many samples
    of the prior, `swd_floor` and `frechet_floor` of the training pictures in `reference`, which is
    about what a perfect sampler would score. Reconstructions are paired with `X` and may go below
    the floor. With few pictures the Frechet distance is biased upwards; all three come from
    equally many, so that the floor shows the bias.

    Parameters
    ----------
    vae : d2lvae.vae.VAE
    X : numpy.ndarray
        Held-out pictures (N, C, H, W), float32 in [0, 1].
    labels : numpy.ndarray, optional
        (N,); with `features`, gives the digit accuracies.
    control : numpy.ndarray, optional
        The plain VAE's reconstructions of X from the posterior's mean; gives the control's numbers.
    features : d2lvae.features.DigitClassifier, optional
        Gives the Frechet distances.
    reference : numpy.ndarray, optional
        As many training pictures as X has; gives the floors.
    log_likelihood_samples : int
        0 leaves the log-likelihood out, which is that of binary pixels, so for digits only; it is
        left out too if the VAE was not trained with the binary cross-entropy.

    Raises
    ------
    ValueError
        If shapes or ranges are wrong, or noise does not reach the sharpness of the reconstructions.
    """
    check_pictures(X)
    mu, kl, pbp, X_hat, X_sampled = reconstructions(vae, X, seed)
    metrics = {
        'kl': kl,
        'pbp': pbp,
        'held_out_loss': kl + pbp,
        'active_units': active_units(mu),
        'sharpness_real': sharpness(X),
        **fidelity(X, X_hat),
    }
    metrics |= {f'{name}_sampled': v for name, v in fidelity(X, X_sampled).items()}
    if vae.pbp_loss == 'bce' and log_likelihood_samples:
        metrics['log_likelihood'] = log_likelihood(vae, X, log_likelihood_samples, seed)
    metrics |= set_distances(X, X_hat, prior_samples(vae, len(X), seed), features, reference, seed)
    if features is not None and labels is not None:
        metrics['digit_accuracy'] = features.accuracy(X_hat, labels)
    if control is not None:
        noisy = noise_control(control, metrics['sharpness'], seed)
        metrics |= control_numbers(X, noisy, labels, features, seed)
    return {name: float(value) for name, value in metrics.items()}


def reconstructions(vae, X, seed=0):
    """(mu, kl, pbp, X_hat, X_sampled), as NumPy.

    The posterior's means (N, latents), the mean loss terms with one sampled z for each picture,
    and the pictures (N, C, H, W) decoded from the posterior's mean and from that z.
    """
    rng = onp.random.default_rng([seed, POSTERIOR])
    eps = rng.standard_normal((len(X), vae.latents), 'float32')
    parts = [reconstructed_batch(vae, *batch) for batch in batches(X, eps)]
    mu, kl, pbp, X_hat, X_sampled = map(onp.concatenate, zip(*parts, strict=True))
    return mu, kl.mean(dtype='float64'), pbp.mean(dtype='float64'), X_hat, X_sampled


def reconstructed_batch(vae, X, eps):
    mu, log_var = vae.encode(X)
    logits = vae.decode(vae.sample(mu, log_var, eps))
    kl, pbp = kl_divergence(mu, log_var), PBP_LOSSES[vae.pbp_loss](logits, X)
    X_hat = npx.sigmoid(vae.decode(mu))
    return [a.asnumpy() for a in (mu, kl, pbp, X_hat, npx.sigmoid(logits))]


def prior_samples(vae, num, seed=0):
    """Pictures (num, C, H, W) decoded from latents drawn from N(0, 1) by the seed, as NumPy."""
    z = onp.random.default_rng([seed, PRIOR]).standard_normal((num, vae.latents), 'float32')
    return onp.concatenate([npx.sigmoid(vae.decode(*batch)).asnumpy() for batch in batches(z)])


def batches(*arrays):
    """Successive pieces of equally long NumPy arrays, as MXNet arrays."""
    for i in range(0, len(arrays[0]), BATCH):
        yield [np.array(a[i : i + BATCH]) for a in arrays]


def fidelity(X, X_hat):
    """How good and how sharp reconstructions are, picture by picture."""
    sharp = sharpness(X_hat)
    return {
        'psnr': psnr(X, X_hat),
        'ssim': ssim(X, X_hat),
        'sharpness': sharp,
        'sharpness_ratio': sharp / sharpness(X),
        'spectrum_distance': spectrum_distance(X, X_hat),
    }


def set_distances(X, X_hat, samples, features=None, reference=None, seed=0):
    """Distances from X, taken as sets, of reconstructions, samples and real pictures."""
    others = {'reconstructions': X_hat, 'samples': samples}
    if reference is not None:
        others['floor'] = reference
    metrics = {f'swd_{name}': sliced_wasserstein(X, A, seed) for name, A in others.items()}
    if features is not None:
        real = features.features(X)
        metrics |= {
            f'frechet_{name}': frechet_distance(real, features.features(A))
            for name, A in others.items()
        }
    return metrics | {'sample_sharpness_ratio': sharpness(samples) / sharpness(X)}


def control_numbers(X, noisy, labels=None, features=None, seed=0):
    """What the noise control `noisy`, equally sharp, scores in place of reconstructions of X."""
    metrics = {
        'control_psnr': psnr(X, noisy),
        'control_ssim': ssim(X, noisy),
        'control_swd': sliced_wasserstein(X, noisy, seed),
        'control_spectrum_distance': spectrum_distance(X, noisy),
    }
    if features is not None and labels is not None:
        metrics['control_digit_accuracy'] = features.accuracy(noisy, labels)
    return metrics
