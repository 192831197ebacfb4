"""Every metric on a case whose answer is known without it."""

import json
import math

import numpy as onp
import pytest
from mxnet import np
from scipy import integrate, ndimage, stats

from d2lvae import metrics
from d2lvae.distances import sliced_wasserstein
from d2lvae.metrics import (
    active_units,
    checkerboard_ratio,
    log_likelihood,
    mean_ci95,
    noise_control,
    prior_samples,
    psnr,
    reconstructions,
    sharpness,
    spectrum_distance,
    ssim,
)


def random_pictures(*shape, low=0.0, high=1.0):
    return onp.random.default_rng(0).uniform(low, high, shape).astype('float32')


def constant(value, *shape):
    return onp.full(shape, value, 'float32')


def out_of_focus(X, sd):
    return ndimage.gaussian_filter(X, (0, 0, sd, sd))


# PSNR, SSIM, sharpness, spectrum


def test_psnr_is_the_mean_of_each_pictures_own():
    X = constant(0.5, 2, 1, 8, 8)
    X_hat = X + onp.array([0.1, 0.01], 'float32')[:, None, None, None]
    assert psnr(X, X_hat) == pytest.approx((20 + 40) / 2, abs=1e-3)


def test_psnr_of_a_perfect_copy_is_infinite():
    X = random_pictures(2, 1, 8, 8)
    assert psnr(X, X) == math.inf


def test_ssim_of_constant_pictures():
    a, b, c = 0.2, 0.6, 0.01**2  # no variance, so that only the luminance term is left
    expected = (2 * a * b + c) / (a**2 + b**2 + c)
    assert ssim(constant(a, 3, 1, 9, 9), constant(b, 3, 1, 9, 9)) == pytest.approx(expected)


def test_ssim_uses_a_window_of_seven_and_every_channel():
    X = random_pictures(1, 3, 7, 7)
    X_hat = X.copy()
    X_hat[:, 1] = random_pictures(1, 1, 7, 7)[:, 0] ** 2
    x, y = X[0, 1].astype('float64'), X_hat[0, 1].astype('float64')  # one window fills them
    (vx, cov), (_, vy) = onp.cov(x.ravel(), y.ravel())
    green = (2 * x.mean() * y.mean() + 1e-4) * (2 * cov + 9e-4)
    green /= (x.mean() ** 2 + y.mean() ** 2 + 1e-4) * (vx + vy + 9e-4)
    assert ssim(X, X_hat) == pytest.approx((2 + green) / 3, abs=1e-5)


def test_sharpness_of_an_impulse():
    X = constant(0, 2, 1, 5, 5)
    X[0, 0, 2, 2] = 1  # its Laplacian: one -4, four 1 and four 0, with mean 0
    assert sharpness(X) == pytest.approx((16 + 4) / 9 / 2)


def test_sharpness_weighs_channels_by_luminance():
    for channel, weight in enumerate((0.2989, 0.587, 0.114)):
        X = constant(0, 1, 3, 5, 5)
        X[0, channel, 2, 2] = 1
        assert sharpness(X) == pytest.approx(weight**2 * 20 / 9, rel=1e-5)


def test_sharpness_counts_no_edge_at_the_frame():
    assert sharpness(constant(1, 1, 1, 6, 6)) == 0
    ramp = onp.broadcast_to(onp.linspace(0, 1, 6, dtype='float32'), (1, 1, 6, 6))
    assert sharpness(ramp) == pytest.approx(0, abs=1e-12)


def test_spectrum_distance_of_a_scaled_set():
    X = random_pictures(20, 3, 16, 12)
    assert spectrum_distance(X, X) == 0
    assert spectrum_distance(X, 0.5 * X) == pytest.approx(2 * math.log(2), abs=1e-4)


def test_spectrum_distance_sees_one_ring():
    X = random_pictures(20, 1, 28, 28, low=0.3, high=0.7)
    frequency = onp.fft.fftfreq(28) * 28
    radius = onp.rint(onp.hypot(frequency[:, None], frequency))
    weights = onp.where(radius == 5, 0.5, 1)
    X_hat = onp.fft.ifft2(onp.fft.fft2(X) * weights).real.astype('float32')
    assert spectrum_distance(X, X_hat) == pytest.approx(2 * math.log(2) / 15, abs=1e-4)


def test_spectrum_distance_compares_sets_and_not_pairs():
    X = random_pictures(20, 1, 16, 16)
    assert spectrum_distance(X, X[::-1]) == pytest.approx(0, abs=1e-5)


# Checkerboard


def gratings(amplitude, period, shape=(32, 48)):
    """cos(2 pi x / period) along rows, along columns, and both."""
    rows, columns = (onp.cos(2 * math.pi * i / period) for i in onp.indices(shape))
    return [(amplitude * g).astype('float32') for g in (rows, columns, rows * columns)]


def test_checkerboard_ratio_of_real_pictures_is_one(textures):
    assert checkerboard_ratio(textures, textures) == 1
    assert checkerboard_ratio(textures[:200], textures[200:]) == pytest.approx(1, abs=0.1)
    assert checkerboard_ratio(textures, 1 - textures) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize('period, amplitude', [(2, 2 / 255), (4, 8 / 255)])
def test_checkerboard_ratio_sees_a_faint_pattern_of_either_stride(textures, period, amplitude):
    for pattern in gratings(amplitude, period):
        found = checkerboard_ratio(textures, textures + pattern)
        elsewhere = checkerboard_ratio(textures, textures + onp.roll(pattern, 1, axis=(0, 1)))
        assert found > 1.8 and elsewhere == pytest.approx(found, rel=0.1)


def test_checkerboard_ratio_grows_with_the_power_of_the_pattern():
    """By hand: white noise and a checkerboard, under a Hann window of mean 1/2, mean square 3/8."""
    X = random_pictures(2000, 1, 32, 64, low=0.3, high=0.7)
    noise = 0.4**2 / 12 * (3 / 8) ** 2
    for pattern in gratings(0.01, 2, (32, 64)):
        power = 0.01**2 * 32 * 64 * (1 / 2) ** 4
        expected = 1 + power / noise / 3  # at one of the three frequencies of period 2
        assert checkerboard_ratio(X, X + pattern) == pytest.approx(expected, rel=0.08)


def test_checkerboard_ratio_sees_a_pattern_in_colour_alone(textures):
    pattern = gratings(0.01, 2)[2]
    red, green = onp.array([[1 / 0.2989, -1 / 0.587, 0], [0, -1 / 0.587, 1 / 0.114]], 'float32')
    for colour in (red, green):
        X_hat = textures + colour[:, None, None] * pattern
        onp.testing.assert_allclose(metrics.grey(X_hat), metrics.grey(textures), atol=1e-6)
        assert checkerboard_ratio(textures, X_hat) > 5


def test_checkerboard_ratio_is_blind_to_other_frequencies_and_to_the_frame(textures):
    X = textures[:100]
    for period in (8, 2.5, 3):
        for pattern in gratings(6 / 255, period):
            assert checkerboard_ratio(X, X + pattern) < 1.1
    ramp = onp.linspace(-0.2, 0.2, 48, dtype='float32')  # ends in a step if it is repeated
    assert checkerboard_ratio(textures, textures + ramp) == pytest.approx(1, abs=1e-3)


def test_checkerboard_ratio_of_blurred_pictures_is_below_one(textures):
    slightly, strongly = (
        checkerboard_ratio(textures, out_of_focus(textures, sd)) for sd in (0.5, 1)
    )
    assert strongly < 0.2 < slightly < 0.9
    # Nothing but the pattern is left there, and still it counts by what real pictures have.
    faint = out_of_focus(textures, 2) + gratings(0.5 / 255, 2)[2]
    assert checkerboard_ratio(textures, faint) < 1


def test_checkerboard_ratio_stays_near_one_under_white_noise(textures):
    noise = random_pictures(*textures.shape, low=-0.1, high=0.1)
    noisy = onp.clip(textures + noise, 0, 1)
    assert sharpness(noisy) > 1.5 * sharpness(textures)
    assert checkerboard_ratio(textures, noisy) == pytest.approx(1, abs=0.35)


def test_checkerboard_ratio_counts_a_pattern_that_faces_are_drawn_on(textures):
    """The picture's own low frequencies then lie around the pattern's, and are not its excess."""
    light = out_of_focus(textures, 4)
    light = (light - light.min()) / (light.max() - light.min())
    everywhere, where_light = (
        checkerboard_ratio(textures, textures + 0.02 * part * gratings(1, 2)[2])
        for part in (light.mean(), light)
    )
    assert where_light == pytest.approx(everywhere, rel=0.2)


def test_checkerboard_ratio_finds_the_decoder_that_leaves_one(textures):
    """Odena et al. 2016: a transposed convolution of uneven overlap against resizing first."""
    small = textures[:, :, ::2, ::2]
    zeros_between = onp.zeros_like(textures)
    zeros_between[:, :, ::2, ::2] = small
    even, uneven = (
        ndimage.convolve(zeros_between, onp.outer(k, k)[None, None].astype('float32'))
        for k in ([0.25, 0.75, 0.75, 0.25], [0.25, 0.7, 0.75, 0.25])
    )
    assert checkerboard_ratio(textures, onp.clip(even, 0, 1)) < 1
    assert checkerboard_ratio(textures, onp.clip(uneven, 0, 1)) > 5


# The noise control


def test_noise_control_has_the_sharpness_asked_for(digits):
    for X in (out_of_focus(digits, 1), onp.repeat(out_of_focus(digits, 1), 3, axis=1)):
        noisy = noise_control(X, 0.1)
        assert sharpness(noisy) == pytest.approx(0.1, rel=1e-4)
        assert noisy.min() >= 0 and noisy.max() <= 1 and noisy.dtype == 'float32'


def test_noise_control_adds_white_grey_noise():
    noise = noise_control(constant(0.5, 50, 3, 28, 28), 0.02) - 0.5
    assert noise.std() == pytest.approx(math.sqrt(0.02 / 20), rel=0.02)  # 1 + 1 + 1 + 1 + 16
    onp.testing.assert_array_equal(noise[:, 0], noise[:, 2])
    neighbours = onp.corrcoef(noise[..., 1:].ravel(), noise[..., :-1].ravel())[0, 1]
    assert abs(neighbours) < 0.02


def test_noise_control_leaves_a_sharper_picture_alone(digits):
    assert noise_control(digits, 0.5 * sharpness(digits)) is digits


def test_noise_control_says_if_noise_cannot_reach_it(digits):
    with pytest.raises(ValueError, match='does not reach'):
        noise_control(digits, 15)


def test_white_noise_loses_against_real_detail(digits):
    blurry = out_of_focus(digits, 1.5)
    sharpened = blurry + 0.7 * (digits - blurry)
    noisy = noise_control(blurry, sharpness(sharpened))
    assert ssim(digits, noisy) < ssim(digits, sharpened) - 0.1
    assert spectrum_distance(digits, noisy) > 2 * spectrum_distance(digits, sharpened)
    assert sliced_wasserstein(digits, noisy) > 2 * sliced_wasserstein(digits, sharpened)


# Active units, intervals


def test_active_units_by_the_variance_of_the_mean():
    signs = onp.tile([1.0, -1.0], 50)[:, None]
    assert active_units(5 + signs * [0.2, 0.11, 0.09, 0]) == 2


def test_mean_ci95_is_students_interval():
    values = [1.0, 2.0, 6.0]
    found = mean_ci95(onp.array(values, 'float32'))
    low, high = stats.t.interval(0.95, 2, loc=3, scale=stats.sem(values))
    assert found == {'mean': 3, 'ci95': pytest.approx((high - low) / 2), 'values': values}
    assert mean_ci95([1, 2, 3])['ci95'] == pytest.approx(4.302653 / math.sqrt(3))


def test_mean_ci95_of_one_seed_has_no_interval():
    assert json.loads(json.dumps(mean_ci95([2]))) == {'mean': 2, 'ci95': None, 'values': [2]}


# Log-likelihood


class LinearVAE:
    """One latent, logits slope * z + offset, the same posterior for every picture."""

    latents, pbp_loss = 1, 'bce'

    def __init__(self, slope, offset, mu=0.0, log_var=0.0):
        self.slope, self.offset = onp.float32(slope), onp.float32(offset)
        self.mu, self.log_var, self.seen = mu, log_var, []

    def encode(self, X):
        self.seen.append(X.asnumpy())
        return np.full((len(X), 1), self.mu), np.full((len(X), 1), self.log_var)

    def decode(self, z):
        logits = z * np.array(self.slope.ravel()) + np.array(self.offset.ravel())
        return logits.reshape(len(z), *self.slope.shape)


def log_bernoulli(X, logits):
    return (X * logits - onp.logaddexp(0, logits)).sum(axis=(1, 2, 3))


def binary_pictures(*shape):
    return (random_pictures(*shape) < 0.4).astype('float32')


def test_log_likelihood_is_exact_if_the_decoder_ignores_z():
    X, offset = binary_pictures(5, 1, 4, 4), random_pictures(1, 4, 4, low=-3, high=3)
    expected = log_bernoulli(X, offset).mean()
    ignoring = LinearVAE(0 * offset, offset)
    assert log_likelihood(ignoring, X, num_samples=3) == pytest.approx(expected, abs=1e-4)
    elsewhere = LinearVAE(0 * offset, offset, mu=0.4, log_var=-0.3)
    assert log_likelihood(elsewhere, X, num_samples=5000) == pytest.approx(expected, abs=0.03)


def test_log_likelihood_agrees_with_quadrature_over_one_latent():
    X = binary_pictures(3, 1, 3, 3)
    slope, offset = onp.split(random_pictures(2, 1, 3, 3, low=-2, high=2), 2)
    slope, offset = slope[0], offset[0]
    z = onp.linspace(-9, 9, 4001)[:, None, None, None]
    expected = onp.mean([
        math.log(integrate.simpson(
            onp.exp(log_bernoulli(x, slope * z + offset)) * stats.norm.pdf(z.ravel()), z.ravel()))
        for x in X])  # fmt: skip
    vae = LinearVAE(slope, offset, mu=0.3, log_var=0.2)
    assert log_likelihood(vae, X, num_samples=20000) == pytest.approx(expected, abs=0.02)
    assert log_likelihood(vae, X, num_samples=1) < expected - 0.1  # the bound rises with K


def test_log_likelihood_stands_huge_logits():
    X = binary_pictures(3, 1, 4, 4)
    certain = LinearVAE(0 * X[0], 300 * (2 * X[0] - 1))
    assert log_likelihood(certain, X[:1], num_samples=2) == pytest.approx(0, abs=1e-4)
    wrong = 300 * (X[1] != X[0]).sum()
    assert log_likelihood(certain, X[1:2], num_samples=2) == pytest.approx(-wrong, rel=1e-4)


def test_log_likelihood_binarises_once_by_the_seed():
    X = constant(0.3, 40, 1, 8, 8)
    seen = []
    for num_samples, seed in ((1, 0), (7, 0), (1, 1)):
        vae = LinearVAE(X[0], X[0])
        log_likelihood(vae, X, num_samples, seed)
        seen.append(onp.concatenate(vae.seen))
    assert set(onp.unique(seen[0])) == {0, 1}
    assert seen[0].mean() == pytest.approx(0.3, abs=0.03)
    onp.testing.assert_array_equal(seen[0], seen[1])
    assert (seen[0] != seen[2]).any()


def test_log_likelihood_does_not_depend_on_the_chunks(monkeypatch):
    X = binary_pictures(7, 1, 4, 4)
    vae = LinearVAE(X[0], X[1], mu=0.2)
    whole = log_likelihood(vae, X, num_samples=5)
    monkeypatch.setattr(metrics, 'CHUNK', 3 * 5 * 16)
    assert log_likelihood(vae, X, num_samples=5) == pytest.approx(whole, abs=1e-5)
    assert [len(seen) for seen in vae.seen] == [7, 3, 3, 1]


def test_log_likelihood_is_for_binary_pixels_only():
    vae = LinearVAE(constant(0, 1, 4, 4), constant(0, 1, 4, 4))
    vae.pbp_loss = 'l2'
    with pytest.raises(ValueError, match='l2'):
        log_likelihood(vae, binary_pictures(2, 1, 4, 4))


# What a VAE makes of pictures


class PixelVAE:
    """A VAE without loss: one latent for every pixel, the posterior's mean its logit."""

    latents, pbp_loss = 784, 'l2'

    def __init__(self, sd):
        self.log_var = 2 * math.log(sd)

    def encode(self, X):
        X = np.clip(X, 1e-3, 1 - 1e-3).reshape(len(X), -1)
        mu = np.log(X) - np.log(1 - X)
        return mu, np.full(mu.shape, self.log_var)

    def sample(self, mu, log_var, eps):
        return mu + np.exp(0.5 * log_var) * eps

    def decode(self, z):
        return z.reshape(-1, 1, 28, 28)


def test_posterior_noise_is_standard_normal(digits):
    mu, *_, X_sampled = reconstructions(PixelVAE(2), digits)
    z = onp.log(X_sampled.astype('float64')) - onp.log1p(-X_sampled.astype('float64'))
    eps = (z.reshape(mu.shape) - mu)[abs(mu) < 3] / 2  # elsewhere float32 loses the sigmoid's tail
    assert eps.mean() == pytest.approx(0, abs=0.02) and eps.std() == pytest.approx(1, abs=0.02)


def test_prior_samples_are_standard_normal_by_the_seed():
    samples = prior_samples(PixelVAE(2), 300).astype('float64')
    z = onp.log(samples) - onp.log1p(-samples)
    assert z.mean() == pytest.approx(0, abs=0.02) and z.std() == pytest.approx(1, abs=0.02)
    onp.testing.assert_array_equal(samples, prior_samples(PixelVAE(2), 300))
    assert (samples != prior_samples(PixelVAE(2), 300, seed=1)).any()


# What is refused


@pytest.mark.parametrize(
    'metric', [psnr, ssim, spectrum_distance, checkerboard_ratio, sliced_wasserstein]
)
@pytest.mark.parametrize(
    'wrong, message',
    [
        (onp.zeros((4, 1, 16, 16), 'uint8'), 'uint8'),
        (constant(-0.5, 4, 1, 16, 16), r'in \[0, 1\]'),
        (constant(onp.nan, 4, 1, 16, 16), r'in \[0, 1\]'),
        (constant(0, 4, 16, 16), r'\(4, 16, 16\)'),
        (constant(0, 4, 16, 16, 1), r'\(4, 16, 16, 1\)'),
        (constant(0, 4, 3, 16, 16), 'compared'),
    ],
)
def test_wrong_pictures_are_refused(metric, wrong, message):
    X = random_pictures(4, 1, 16, 16)
    with pytest.raises(ValueError, match=message):
        metric(X, wrong)
    with pytest.raises(ValueError, match=message):
        metric(wrong, X)


@pytest.mark.parametrize('metric', [psnr, ssim, sliced_wasserstein])
def test_sets_of_different_size_are_refused(metric):
    X = random_pictures(4, 1, 16, 16)
    with pytest.raises(ValueError, match='equally many'):
        metric(X, X[:3])


@pytest.mark.parametrize('sides', [(28, 32), (32, 28), (34, 32), (32, 33), (16, 16)])
def test_sides_that_show_no_stride_are_refused(sides):
    X = random_pictures(3, 1, *sides)
    with pytest.raises(ValueError, match='show no stride: they must be multiples of 4 from 32 on'):
        checkerboard_ratio(X, X)


def test_single_sets_are_checked_too():
    bytes_ = onp.zeros((4, 1, 16, 16), 'uint8')
    for call in (
        sharpness,
        lambda X: noise_control(X, 1),
        lambda X: log_likelihood(PixelVAE(1), X),
    ):
        with pytest.raises(ValueError, match='uint8'):
            call(bytes_)
