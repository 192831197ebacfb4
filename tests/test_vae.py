"""The VAE: its two halves, the noise between them, and the terms of its ELBO."""

import numpy as onp
import pytest
from mxnet import np
from tiny import SHAPE, pictures, vae_and_disc

from d2lvae import networks
from d2lvae.data import to_float
from d2lvae.losses import bce_from_logits, kl_divergence, l2_from_logits
from d2lvae.vae import dense_vae, initialize, num_parameters

X, X_OTHER = (np.array(to_float(pictures(4, seed=seed))) for seed in (0, 1))
EPS, EPS_OTHER = np.array(onp.random.default_rng(0).standard_normal((2, 4, 2), 'float32'))


@pytest.fixture
def vae():
    return vae_and_disc()[0]


def test_same_noise_gives_the_same_logits_and_other_noise_others(vae):
    logits = vae(X, EPS).asnumpy()
    assert logits.shape == (4, *SHAPE)
    assert onp.array_equal(vae(X, EPS).asnumpy(), logits)
    assert not onp.allclose(vae(X, EPS_OTHER).asnumpy(), logits)


def test_a_sample_is_the_mean_plus_noise_times_the_standard_deviation(vae):
    mu, log_var = np.array([[1.0, -2.0]]), np.log(np.array([[4.0, 9.0]]))
    z = vae.sample(mu, log_var, np.array([[0.5, -1.0]]))
    assert z.asnumpy()[0] == pytest.approx([1 + 2 * 0.5, -2 - 3 * 1])


def test_without_noise_the_latents_are_the_posteriors_mean(vae):
    mu, _ = vae.encode(X)
    assert vae(X, np.zeros((4, 2))).asnumpy() == pytest.approx(vae.decode(mu).asnumpy())


@pytest.mark.parametrize('name, loss', [('bce', bce_from_logits), ('l2', l2_from_logits)])
def test_elbo_terms_are_kl_and_the_chosen_pixel_loss_of_one_sample(name, loss):
    vae = vae_and_disc(pbp_loss=name)[0]
    kl, pbp, logits = (a.asnumpy() for a in vae.elbo_terms(X, EPS))
    assert kl == pytest.approx(kl_divergence(*vae.encode(X)).asnumpy())
    assert logits == pytest.approx(vae(X, EPS).asnumpy())
    assert pbp == pytest.approx(loss(np.array(logits), X).asnumpy())


def test_a_noisy_input_is_encoded_but_the_loss_is_that_of_the_clean_picture(vae):
    kl, pbp, logits = (a.asnumpy() for a in vae.elbo_terms(X, EPS, X_in=X_OTHER))
    assert kl == pytest.approx(kl_divergence(*vae.encode(X_OTHER)).asnumpy())
    assert logits == pytest.approx(vae(X_OTHER, EPS).asnumpy())
    assert pbp == pytest.approx(bce_from_logits(np.array(logits), X).asnumpy())


def test_reconstructions_are_pictures_decoded_from_the_mean(vae):
    by_numpy = 1 / (1 + onp.exp(-vae.decode(vae.encode(X)[0]).asnumpy()))
    assert vae.reconstruct(X).asnumpy() == pytest.approx(by_numpy, rel=1e-5)


def test_generated_pictures_are_decoded_from_the_given_latents(vae):
    by_numpy = 1 / (1 + onp.exp(-vae.decode(EPS).asnumpy()))
    assert vae.generate(EPS).asnumpy() == pytest.approx(by_numpy, rel=1e-5)


def test_the_studys_vae_is_784_400_400_400_10_and_back():
    vae = initialize(dense_vae((1, 28, 28)), seed=0)
    sizes = [784, 400, 400, 400, 10]
    encoder = sum(m * n + n for m, n in zip(sizes, sizes[1:]))
    sizes = [5, 400, 400, 400, 784]
    decoder = sum(m * n + n for m, n in zip(sizes, sizes[1:]))
    assert (num_parameters(vae.encoder), num_parameters(vae.decoder)) == (encoder, decoder)
    assert num_parameters(vae) == encoder + decoder == 1_276_394


def test_the_studys_discriminator_is_784_200_1():
    disc = initialize(networks.DenseLogReg((1, 28, 28), 1, 200), seed=0)
    assert num_parameters(disc) == 784 * 200 + 200 + 200 + 1
