"""The VAE: its two halves, the noise between them, and the terms of its ELBO."""

import numpy as onp
import pytest
from mxnet import np
from tiny import FACE, pictures, shape_of, trainable, vae_and_disc, weights

from d2lvae import networks
from d2lvae.data import to_float
from d2lvae.layers import initialize, num_parameters
from d2lvae.losses import bce_from_logits, kl_divergence, l2_from_logits
from d2lvae.vae import make_vae

EPS, EPS_OTHER = np.array(onp.random.default_rng(0).standard_normal((2, 4, 2), 'float32'))


@pytest.fixture(params=['dense', 'batch'])
def pair(request):
    return request.param


@pytest.fixture
def vae(pair):
    return vae_and_disc(pair=pair)[0]


def input_of(pair, seed=0):
    return np.array(to_float(pictures(4, shape_of(pair), seed)))


@pytest.fixture
def X(pair):
    return input_of(pair)


@pytest.fixture
def X_other(pair):
    return input_of(pair, seed=1)


def test_same_noise_gives_the_same_logits_and_other_noise_others(vae, X):
    logits = vae(X, EPS).asnumpy()
    assert logits.shape == X.shape
    assert onp.array_equal(vae(X, EPS).asnumpy(), logits)
    assert not onp.allclose(vae(X, EPS_OTHER).asnumpy(), logits)


def test_a_sample_is_the_mean_plus_noise_times_the_standard_deviation(vae):
    mu, log_var = np.array([[1.0, -2.0]]), np.log(np.array([[4.0, 9.0]]))
    z = vae.sample(mu, log_var, np.array([[0.5, -1.0]]))
    assert z.asnumpy()[0] == pytest.approx([1 + 2 * 0.5, -2 - 3 * 1])


def test_without_noise_the_latents_are_the_posteriors_mean(vae, X):
    mu, _ = vae.encode(X)
    assert vae(X, np.zeros((4, 2))).asnumpy() == pytest.approx(vae.decode(mu).asnumpy())


@pytest.mark.parametrize('name, loss', [('bce', bce_from_logits), ('l2', l2_from_logits)])
def test_elbo_terms_are_kl_and_the_chosen_pixel_loss_of_one_sample(pair, X, name, loss):
    vae = vae_and_disc(pbp_loss=name, pair=pair)[0]
    kl, pbp, logits = (a.asnumpy() for a in vae.elbo_terms(X, EPS))
    assert kl == pytest.approx(kl_divergence(*vae.encode(X)).asnumpy())
    assert logits == pytest.approx(vae(X, EPS).asnumpy())
    assert pbp == pytest.approx(loss(np.array(logits), X).asnumpy())


def test_a_noisy_input_is_encoded_but_the_loss_is_that_of_the_clean_picture(vae, X, X_other):
    kl, pbp, logits = (a.asnumpy() for a in vae.elbo_terms(X, EPS, X_in=X_other))
    assert kl == pytest.approx(kl_divergence(*vae.encode(X_other)).asnumpy())
    assert logits == pytest.approx(vae(X_other, EPS).asnumpy())
    assert pbp == pytest.approx(bce_from_logits(np.array(logits), X).asnumpy())


def test_reconstructions_are_pictures_decoded_from_the_mean(vae, X):
    by_numpy = 1 / (1 + onp.exp(-vae.decode(vae.encode(X)[0]).asnumpy()))
    assert vae.reconstruct(X).asnumpy() == pytest.approx(by_numpy, rel=1e-5)


def test_generated_pictures_are_decoded_from_the_given_latents(vae):
    by_numpy = 1 / (1 + onp.exp(-vae.decode(EPS).asnumpy()))
    assert vae.generate(EPS).asnumpy() == pytest.approx(by_numpy, rel=1e-5)


def test_the_studys_vae_is_784_400_400_400_10_and_back():
    vae = initialize(make_vae('DenseVAE', (1, 28, 28)), seed=0)
    sizes = [784, 400, 400, 400, 10]
    encoder = sum(m * n + n for m, n in zip(sizes, sizes[1:]))
    sizes = [5, 400, 400, 400, 784]
    decoder = sum(m * n + n for m, n in zip(sizes, sizes[1:]))
    assert (num_parameters(vae.encoder), num_parameters(vae.decoder)) == (encoder, decoder)
    assert num_parameters(vae) == encoder + decoder == 1_276_394


def test_the_studys_discriminator_is_784_200_1():
    disc = initialize(networks.DenseLogReg((1, 28, 28), 1, 200), seed=0)
    assert num_parameters(disc) == 784 * 200 + 200 + 200 + 1


def num_trainable(net):
    return sum(p.data().size for p in trainable(net).values())


def test_the_convolutional_vae_for_64x64_has_four_scales_and_linear_latents_on_both_sides():
    vae = initialize(make_vae('ConvVAE', (3, 64, 64)), seed=0)
    channels = [3, 32, 64, 128, 256]
    encoder = sum(16 * m * n + n + 2 * n for m, n in zip(channels, channels[1:]))  # 2: batch norm
    encoder += 256 * 4 * 4 * 1024 + 1024
    decoder = sum(9 * m * n + 2 * n + m for m, n in zip(channels, channels[1:]))
    decoder += 512 * 4096 + 4096
    assert num_trainable(vae.encoder) == encoder
    assert num_trainable(vae.decoder) == decoder


def test_the_defaults_of_the_convolutional_vae_are_the_studys_sizes_and_resizing():
    shapes, by_name = (
        [w.shape for w in weights(initialize(vae, seed=0)).values()]
        for vae in (
            make_vae('ConvVAE', (3, 64, 64)),
            make_vae('ConvVAE', (3, 64, 64), latents=512, base_channels=32, upsampling='resize'),
        )
    )
    assert shapes == by_name


@pytest.mark.parametrize('upsampling, kernel', [('resize', 3), ('transposed', 4)])
def test_upsampling_reaches_the_decoder(upsampling, kernel):
    vae = initialize(
        make_vae('ConvVAE', FACE, latents=2, base_channels=2, upsampling=upsampling), seed=0
    )
    kernels = [w.shape[2:] for w in weights(vae.decoder).values() if w.ndim == 4]
    assert kernels == [(kernel, kernel)] * 3
    assert [w.shape[2:] for w in weights(vae.encoder).values() if w.ndim == 4] == [(4, 4)] * 3


def test_a_deep_vae_is_deep_on_both_sides():
    vae = initialize(make_vae('DeepConvVAE', FACE, latents=2, base_channels=2), seed=0)
    for half in (vae.encoder, vae.decoder):
        assert sum(w.ndim == 4 for w in weights(half).values()) == 6


def test_the_pixel_loss_reaches_the_convolutional_vae():
    assert [make_vae('ConvVAE', FACE, name).pbp_loss for name in ('bce', 'l2')] == ['bce', 'l2']


def test_a_picture_is_reconstructed_alike_whatever_else_is_in_its_batch(vae, X):
    """Batch norm has its running statistics here, not those of the batch."""
    alone = vae.reconstruct(X[:1]).asnumpy()
    assert vae.reconstruct(X)[:1].asnumpy() == pytest.approx(alone, abs=1e-5)
