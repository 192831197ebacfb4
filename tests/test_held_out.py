"""All numbers of one VAE: which there are, and that each is that of its name."""

import math

import numpy as onp
import pytest
from mxnet import np
from test_metrics import PixelVAE, out_of_focus

from d2lvae import metrics
from d2lvae.distances import frechet_distance, kernel_distance, sliced_wasserstein
from d2lvae.layers import initialize
from d2lvae.metrics import (
    checkerboard_ratio,
    noise_control,
    prior_samples,
    psnr,
    reconstructions,
    sharpness,
    ssim,
)
from d2lvae.runs.held_out import held_out_metrics
from d2lvae.vae import make_vae

POSTERIOR_NAMES = {'psnr', 'ssim', 'sharpness', 'sharpness_ratio', 'spectrum_distance'}
NAMES = (
    {'kl', 'pbp', 'held_out_loss', 'sharpness_real', 'active_units', 'sample_sharpness_ratio'}
    | POSTERIOR_NAMES
    | {f'{name}_sampled' for name in POSTERIOR_NAMES}
    | {'swd_reconstructions', 'swd_samples', 'template_share'}
)
CONTROL_NAMES = {'control_psnr', 'control_ssim', 'control_swd', 'control_spectrum_distance'}
FRECHET_NAMES = {'frechet_reconstructions', 'frechet_samples', 'frechet_floor'}


@pytest.fixture(scope='module')
def found(mnist, digits, training_digits, classifier):
    """All numbers of a VAE that reproduces every picture from the posterior's mean."""
    labels, control = mnist.held_out_labels[:500], out_of_focus(digits, 1)
    return held_out_metrics(PixelVAE(2), digits, labels, control, classifier, training_digits)


def test_all_names_of_the_contract_are_there(found):
    expected = NAMES | CONTROL_NAMES | FRECHET_NAMES
    assert set(found) == expected | {'swd_floor', 'digit_accuracy', 'control_digit_accuracy'}
    assert all(type(value) is float for value in found.values())


def test_a_perfect_vae_has_perfect_numbers(found, mnist, digits, classifier):
    assert found['psnr'] > 55 and found['ssim'] > 0.99
    assert found['sharpness_ratio'] == pytest.approx(1, abs=0.01)
    assert found['sharpness'] == pytest.approx(found['sharpness_real'], rel=0.01)
    assert found['sharpness_real'] == sharpness(digits)
    assert found['spectrum_distance'] < 0.01
    assert found['swd_reconstructions'] < 0.2 * found['swd_floor']
    assert found['frechet_reconstructions'] < 0.2 * found['frechet_floor']
    real = classifier.accuracy(digits, mnist.held_out_labels[:500])
    assert found['digit_accuracy'] == pytest.approx(real, abs=0.005)


def test_samples_without_structure_are_far_from_the_floor(found):
    assert found['swd_samples'] > 3 * found['swd_floor']
    assert found['frechet_samples'] > 3 * found['frechet_floor']
    assert found['sample_sharpness_ratio'] == pytest.approx(
        sharpness(prior_samples(PixelVAE(2), 500)) / found['sharpness_real']
    )


def test_loss_terms_and_sampled_numbers_come_from_the_same_sampled_z(found, digits):
    mu, kl, pbp, X_hat, X_sampled = reconstructions(PixelVAE(2), digits)
    assert pbp == pytest.approx(((digits - X_sampled) ** 2).sum(axis=(1, 2, 3)).mean(), rel=1e-4)
    by_hand = 0.5 * (4 + mu**2 - 1 - math.log(4)).sum(axis=1).mean()
    assert kl == pytest.approx(by_hand, rel=1e-4)
    assert (found['kl'], found['pbp'], found['held_out_loss']) == (kl, pbp, kl + pbp)
    assert found['psnr_sampled'] == psnr(digits, X_sampled) < psnr(digits, X_hat) == found['psnr']
    assert found['ssim_sampled'] == ssim(digits, X_sampled)
    assert found['sharpness_ratio_sampled'] == sharpness(X_sampled) / sharpness(digits)


def test_the_control_is_as_sharp_as_the_reconstructions(found, mnist, digits, classifier):
    noisy = noise_control(out_of_focus(digits, 1), found['sharpness'])
    assert sharpness(noisy) == pytest.approx(found['sharpness'], rel=1e-4)
    assert found['control_psnr'] == psnr(digits, noisy) < found['psnr']
    assert found['control_ssim'] == ssim(digits, noisy) < found['ssim']
    assert found['control_swd'] > found['swd_reconstructions']
    assert found['control_spectrum_distance'] > found['spectrum_distance']
    right = classifier.accuracy(noisy, mnist.held_out_labels[:500])
    assert found['control_digit_accuracy'] == right > 0.5


def test_the_floor_is_real_against_real(found, digits, training_digits, classifier):
    real, reference = classifier.features(digits), classifier.features(training_digits)
    assert found['swd_floor'] == sliced_wasserstein(digits, training_digits)
    assert found['frechet_floor'] == frechet_distance(real, reference)


def test_numbers_are_left_out_that_do_not_apply(digits):
    vae = initialize(
        make_vae('DenseVAE', (1, 28, 28), latents=2, hidden_layers=1, hidden_nodes=16), seed=0
    )
    X = digits[:60]
    assert set(held_out_metrics(vae, X, log_likelihood_samples=2)) == NAMES | {'log_likelihood'}
    assert set(held_out_metrics(vae, X, log_likelihood_samples=0)) == NAMES
    vae.pbp_loss = 'l2'
    assert set(held_out_metrics(vae, X)) == NAMES


def test_numbers_of_a_hybridized_vae_do_not_depend_on_batches(digits, monkeypatch):
    vae = initialize(
        make_vae('DenseVAE', (1, 28, 28), latents=2, hidden_layers=1, hidden_nodes=16), seed=0
    )
    whole = held_out_metrics(vae, digits[:60], log_likelihood_samples=5)
    assert whole == held_out_metrics(vae, digits[:60], log_likelihood_samples=5)
    monkeypatch.setattr(metrics, 'BATCH', 25)
    found = held_out_metrics(vae, digits[:60], log_likelihood_samples=5)
    assert found == pytest.approx(whole, rel=1e-3)
    onp.testing.assert_allclose(
        reconstructions(vae, digits[:60])[3],
        vae.reconstruct(np.array(digits[:60])).asnumpy(),
        atol=1e-6,
    )


def test_a_reference_of_another_size_is_refused(digits):
    with pytest.raises(ValueError, match='equally many'):
        held_out_metrics(PixelVAE(1), digits[:20], reference=digits[:10])


# Faces


class ColourMeans:
    """Features that know no labels: the mean of each channel."""

    distance, knows_labels = 'kernel', False

    def features(self, X):
        return X.mean(axis=(2, 3))


@pytest.fixture(scope='module')
def face_numbers(textures):
    vae = initialize(make_vae('ConvVAE', (3, 32, 32), latents=4, base_channels=4), seed=0)
    X = textures[..., :32]
    control = out_of_focus(X[:60], 3)
    return held_out_metrics(vae, X[:60], None, control, ColourMeans(), X[60:120])


def test_names_of_faces_are_those_of_the_contract(face_numbers):
    strides = {'checkerboard_ratio', 'checkerboard_ratio_sampled'}
    kernels = {f'kernel_{of}' for of in ('reconstructions', 'samples', 'floor')}
    assert set(face_numbers) == NAMES | CONTROL_NAMES | strides | kernels | {
        'swd_floor',
        'control_kernel',
    }


def test_numbers_of_faces_are_each_that_of_its_name(face_numbers, textures):
    vae = initialize(make_vae('ConvVAE', (3, 32, 32), latents=4, base_channels=4), seed=0)
    X, reference = textures[:60, ..., :32], textures[60:120, ..., :32]
    X_hat, X_sampled = reconstructions(vae, X)[3:]
    noisy = noise_control(out_of_focus(X, 3), face_numbers['sharpness'])
    sets = {
        '{}_reconstructions': X_hat,
        '{}_samples': prior_samples(vae, 60),
        '{}_floor': reference,
        'control_{}': noisy,
    }
    for name, A in sets.items():
        kernel = kernel_distance(X.mean(axis=(2, 3)), A.mean(axis=(2, 3)))
        assert face_numbers[name.format('kernel')] == pytest.approx(kernel, rel=1e-6)
        assert face_numbers[name.format('swd')] == sliced_wasserstein(X, A)
    assert face_numbers['checkerboard_ratio'] == checkerboard_ratio(X, X_hat)
    assert face_numbers['checkerboard_ratio_sampled'] == checkerboard_ratio(X, X_sampled)
