"""The networks: shapes, what they compute, and first weights that follow from the seed alone."""

import mxnet as mx
import numpy as onp
import pytest
from mxnet import np
from mxnet.gluon import nn
from tiny import SHAPE, equal, weights

from d2lvae import networks
from d2lvae.vae import initialize

NETS = {
    'encoder': (lambda: networks.DenseEncoder(SHAPE, 3, 2, 7), (4, *SHAPE)),
    'decoder': (lambda: networks.DenseDecoder(SHAPE, 3, 2, 7), (4, 3)),
    'discriminator': (lambda: networks.DenseLogReg(SHAPE, 2, 7), (4, *SHAPE)),
}


def made(name, seed=0):
    """A network and an input for it."""
    make, shape = NETS[name]
    X = onp.random.default_rng(0).standard_normal(shape, 'float32')
    return initialize(make(), seed), np.array(X)


def output(net, X):
    Y = net(X)
    return onp.stack([y.asnumpy() for y in (Y if isinstance(Y, list | tuple) else [Y])])


def last_bias(net):
    return list(net.collect_params('.*bias').values())[-1]


def with_only_its_last_bias(net, bias):
    for parameter in net.collect_params().values():
        parameter.set_data(np.zeros(parameter.shape))
    last_bias(net).set_data(np.array(bias, dtype='float32'))


def test_encoder_gives_a_mean_and_a_log_variance_for_each_latent():
    net, X = made('encoder')
    mu, log_var = net(X)
    assert mu.shape == log_var.shape == (4, 3)


def test_the_mean_is_the_first_half_of_what_the_encoder_computes():
    net, X = made('encoder')
    with_only_its_last_bias(net, [1, 2, 3, -4, -5, -6])
    mu, log_var = net(X)
    assert mu[0].tolist() == [1, 2, 3] and log_var[0].tolist() == [-4, -5, -6]


def test_decoder_gives_a_picture_of_the_shape():
    net, z = made('decoder')
    assert net(z).shape == (4, *SHAPE)


def test_decoder_fills_the_picture_row_by_row():
    net, z = made('decoder')
    with_only_its_last_bias(net, onp.arange(30))
    assert (net(z)[0].asnumpy() == onp.arange(30).reshape(SHAPE)).all()


def test_discriminator_gives_one_number_for_each_picture():
    net, X = made('discriminator')
    assert net(X).shape == (4,)


@pytest.mark.parametrize('name', NETS)
def test_outputs_are_logits_without_bounds(name):
    net, X = made(name)
    for value in (-70.0, 70.0):
        with_only_its_last_bias(net, onp.full(last_bias(net).shape, value))
        assert (output(net, X) == value).all()


def test_hidden_layers_are_affine_maps_with_relu():
    net, X = made('discriminator')
    w0, b0, w1, b1, w2, b2 = weights(net).values()
    h = onp.maximum(X.asnumpy().reshape(4, -1) @ w0.T + b0, 0)
    by_numpy = onp.maximum(h @ w1.T + b1, 0) @ w2.T + b2
    assert net(X).asnumpy() == pytest.approx(by_numpy[:, 0], rel=1e-5)


@pytest.mark.parametrize('name', NETS)
def test_hybridised_equals_plain(name):
    net, X = made(name)
    hybrid = output(net, X)
    net.hybridize(False)
    assert output(net, X) == pytest.approx(hybrid, rel=1e-6)


@pytest.mark.parametrize('name', NETS)
def test_first_weights_follow_from_the_seed_whatever_was_made_and_drawn_before(name):
    first = weights(made(name)[0])
    nn.Dense(3, in_units=3).initialize()
    onp.random.standard_normal(5)
    mx.np.random.normal(size=5).wait_to_read()
    assert equal(weights(made(name)[0]), first)


@pytest.mark.parametrize('name', NETS)
def test_another_seed_gives_other_weights(name):
    assert not equal(weights(made(name)[0]), weights(made(name, seed=1)[0]))
