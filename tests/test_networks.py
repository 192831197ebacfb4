"""The networks: shapes, what they compute, and first weights that follow from the seed alone."""

import contextlib

import mxnet as mx
import numpy as onp
import pytest
from mxnet import autograd, gluon, np
from mxnet.gluon import nn
from numpy.lib.stride_tricks import sliding_window_view
from tiny import FACE, SHAPE, equal, gradients, pictures, swallowed, trainable, weights

from d2lvae import layers, networks
from d2lvae.base import files
from d2lvae.data import to_float
from d2lvae.layers import SpectralConv2D, initialize

ENCODERS = {
    'DenseEncoder': (lambda: networks.DenseEncoder(SHAPE, 3, 2, 7), SHAPE),
    'ConvEncoder': (lambda: networks.ConvEncoder(FACE, 3, 2), FACE),
    'DeepConvEncoder': (lambda: networks.ConvEncoder(FACE, 3, 2, deep=True), FACE),
}
DECODERS = {
    'DenseDecoder': (lambda: networks.DenseDecoder(SHAPE, 3, 2, 7), (3,)),
    'ConvDecoder, resize': (lambda: networks.ConvDecoder(FACE, 3, 2), (3,)),
    'ConvDecoder, transposed': (lambda: networks.ConvDecoder(FACE, 3, 2, 'transposed'), (3,)),
    'DeepConvDecoder': (lambda: networks.ConvDecoder(FACE, 3, 2, deep=True), (3,)),
}
DISCRIMINATORS = {
    'DenseLogReg': (lambda: networks.DenseLogReg(SHAPE, 2, 7), SHAPE),
    'ConvDisc, batch': (lambda: networks.ConvDisc(FACE, 2), FACE),
    'ConvDisc, spectral': (lambda: networks.ConvDisc(FACE, 2, 'spectral'), FACE),
    'ConvDisc, none': (lambda: networks.ConvDisc(FACE, 2, 'none'), FACE),
    'DeepConvDisc, batch': (lambda: networks.ConvDisc(FACE, 2, deep=True), FACE),
    'DeepConvDisc, spectral': (lambda: networks.ConvDisc(FACE, 2, 'spectral', True), FACE),
    'DeepConvDisc, none': (lambda: networks.ConvDisc(FACE, 2, 'none', True), FACE),
    'ResNet': (lambda: networks.ResNet(FACE, 2), FACE),
}
NETS = ENCODERS | DECODERS | DISCRIMINATORS
WITHOUT_BATCH_NORM = {
    'DenseEncoder',
    'DenseDecoder',
    'DenseLogReg',
    'ConvDisc, spectral',
    'ConvDisc, none',
    'DeepConvDisc, spectral',
    'DeepConvDisc, none',
}

every_net = pytest.mark.parametrize('name', NETS)


def made(name, seed=0):
    """A network and an input for it."""
    make, shape = NETS[name]
    X = onp.random.default_rng(0).standard_normal((4, *shape), 'float32')
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


def back_propagated(net, X):
    """One training pass, there and back, from a loss in which every output has its own weight."""
    rng = onp.random.default_rng(1)
    with autograd.record():
        Y = net(X)
        Y = np.concatenate(Y) if isinstance(Y, list | tuple) else Y
        loss = (Y * np.array(rng.standard_normal(Y.shape, 'float32'))).sum()
    loss.backward()
    return loss


# Shapes


@pytest.mark.parametrize('name', ENCODERS)
def test_encoder_gives_a_mean_and_a_log_variance_for_each_latent(name):
    net, X = made(name)
    mu, log_var = net(X)
    assert mu.shape == log_var.shape == (4, 3)


@pytest.mark.parametrize('name', ENCODERS)
def test_the_mean_is_the_first_half_of_what_the_encoder_computes(name):
    net, X = made(name)
    with_only_its_last_bias(net, [1, 2, 3, -4, -5, -6])
    mu, log_var = net(X)
    assert mu[0].tolist() == [1, 2, 3] and log_var[0].tolist() == [-4, -5, -6]


@pytest.mark.parametrize('name', ENCODERS)
def test_latents_are_linear_in_the_last_layers_weights(name):
    net, X = made(name)
    once = output(net, X)
    assert all((part < 0).any() and (part > 0).any() for part in once)
    for parameter in list(net.collect_params().values())[-2:]:
        parameter.set_data(-3 * parameter.data())
    assert output(net, X) == pytest.approx(-3 * once, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize('name', DECODERS)
def test_decoder_gives_a_picture_of_the_shape(name):
    net, z = made(name)
    assert net(z).shape == (4, *(SHAPE if name == 'DenseDecoder' else FACE))


@pytest.mark.parametrize('name', DISCRIMINATORS)
def test_discriminator_gives_one_number_for_each_picture(name):
    net, X = made(name)
    assert net(X).shape == (4,)


@pytest.mark.parametrize('side', [32, 64, 128])
def test_convolutional_networks_take_every_size_of_the_pictures(side):
    shape = (3, side, side)
    X = np.zeros((2, *shape))
    encoder = initialize(networks.ConvEncoder(shape, 5, 1), seed=0)
    decoder = initialize(networks.ConvDecoder(shape, 5, 1), seed=0)
    discs = [networks.ConvDisc(shape, 1), networks.ConvDisc(shape, 1, 'spectral', True)]
    discs.append(networks.ResNet(shape, 1))
    assert encoder(X)[0].shape == (2, 5)
    assert decoder(np.zeros((2, 5))).shape == X.shape
    assert [initialize(disc, seed=0)(X).shape for disc in discs] == [(2,)] * 3


def shapes(net):
    """Of the weights that are no vector, in their order."""
    return [w.shape for w in weights(net).values() if w.ndim > 1]


def test_encoder_halves_the_side_and_doubles_the_channels_down_to_4x4():
    net = initialize(networks.ConvEncoder((3, 64, 64), 10, 2), seed=0)
    maps = [(2, 3, 4, 4), (4, 2, 4, 4), (8, 4, 4, 4), (16, 8, 4, 4)]
    assert shapes(net) == [*maps, (2 * 10, 16 * 4 * 4)]


@pytest.mark.parametrize('upsampling, kernel', [('resize', 3), ('transposed', 4)])
def test_decoder_is_the_encoder_backwards(upsampling, kernel):
    net = initialize(networks.ConvDecoder((3, 64, 64), 10, 2, upsampling), seed=0)
    maps = [(16, 8), (8, 4), (4, 2), (2, 3)]  # channels in, channels out
    assert shapes(net) == [(16 * 4 * 4, 10), *((*m, kernel, kernel) for m in maps)]


def test_deep_networks_have_a_convolution_more_on_every_scale():
    encoder = initialize(networks.ConvEncoder((3, 64, 64), 10, 2, deep=True), seed=0)
    decoder = initialize(networks.ConvDecoder((3, 64, 64), 10, 2, deep=True), seed=0)
    disc = initialize(networks.ConvDisc((3, 64, 64), 2, deep=True), seed=0)
    more = [(c, c, 3, 3) for c in (2, 4, 8, 16)]
    assert shapes(encoder)[1:-1:2] == more
    assert shapes(decoder)[1::2] == more[::-1]
    assert shapes(disc)[1:-1:2] == more[:3]


def test_the_studys_discriminator_has_three_scales_and_a_logit_that_sees_all():
    net = initialize(networks.ConvDisc((3, 64, 64), 32), seed=0)
    assert shapes(net) == [(32, 3, 4, 4), (64, 32, 4, 4), (128, 64, 4, 4), (1, 128 * 8 * 8)]


@pytest.mark.parametrize('channels', [3, 16])
def test_the_mean_of_every_2x2_pixels(channels):
    net, X = (
        layers.Mean2x2(channels),
        onp.random.default_rng(0).random((2, channels, 5, 7), 'float32'),
    )
    net.hybridize()
    expected = sliding_window_view(X, (2, 2), axis=(2, 3)).mean(axis=(4, 5))
    assert net(np.array(X)).asnumpy() == pytest.approx(expected, rel=1e-6)


def test_the_resnet_is_resnet_18_with_one_logit():
    """torchvision's has 11,689,512 weights with its 1000 classes, of which 512 * 999 + 999 go."""
    net = initialize(networks.ResNet((3, 64, 64)), seed=0)
    size = sum(p.data().size for p in trainable(net).values())
    assert size == 11_689_512 - 512 * 999 - 999
    assert sum(len(shape) == 4 for shape in shapes(net)) == 17 + 3  # and the three shortcuts


def test_decoder_fills_the_picture_row_by_row():
    net, z = made('DenseDecoder')
    with_only_its_last_bias(net, onp.arange(30))
    assert (net(z)[0].asnumpy() == onp.arange(30).reshape(SHAPE)).all()


@every_net
def test_outputs_are_logits_without_bounds(name):
    net, X = made(name)
    layers.power_iteration(net)
    at_zero = output(net, X)
    for value in (-70.0, 70.0):
        last_bias(net).set_data(np.full(last_bias(net).shape, value))
        assert output(net, X) == pytest.approx(at_zero + value, rel=1e-5)


def test_hidden_layers_are_affine_maps_with_relu():
    net, X = made('DenseLogReg')
    w0, b0, w1, b1, w2, b2 = weights(net).values()
    h = onp.maximum(X.asnumpy().reshape(4, -1) @ w0.T + b0, 0)
    by_numpy = onp.maximum(h @ w1.T + b1, 0) @ w2.T + b2
    assert net(X).asnumpy() == pytest.approx(by_numpy[:, 0], rel=1e-5)


@pytest.mark.parametrize('training', [False, True])
@every_net
def test_hybridised_equals_plain(name, training):
    net, X = made(name)
    layers.power_iteration(net)
    with autograd.record() if training else contextlib.nullcontext():
        hybrid = output(net, X)
        net.hybridize(False)
        plain = output(net, X)
    assert plain == pytest.approx(hybrid, rel=1e-5, abs=1e-5 * abs(hybrid).max())


@every_net
def test_hybridised_gradients_equal_plain_ones(name):
    net, X = made(name)
    layers.power_iteration(net)
    back_propagated(net, X)
    hybrid = gradients(net)
    net.hybridize(False)
    back_propagated(net, X)
    for parameter, plain in gradients(net).items():
        if parameter not in swallowed(net):
            close(plain, hybrid[parameter], rel=1e-4)


# First weights, and weights in files


@every_net
def test_first_weights_follow_from_the_seed_whatever_was_made_and_drawn_before(name):
    first = weights(made(name)[0])
    nn.Dense(3, in_units=3).initialize()
    onp.random.standard_normal(5)
    mx.np.random.normal(size=5).wait_to_read()
    assert equal(weights(made(name)[0]), first)


@every_net
def test_another_seed_gives_other_weights(name):
    assert not equal(weights(made(name)[0]), weights(made(name, seed=1)[0]))


@every_net
def test_weights_come_back_from_a_file_with_statistics_and_singular_vectors(tmp_path, name):
    net, X = made(name)
    layers.power_iteration(net)
    back_propagated(net, X)
    files.save_weights(net, tmp_path / 'net.safetensors')
    other, _ = made(name, seed=1)
    first = weights(other)
    files.load_weights(other, tmp_path / 'net.safetensors')
    loaded = weights(other)
    assert equal(loaded, weights(net))
    assert onp.array_equal(output(other, X), output(net, X))
    zeros_at_first = ('bias', 'beta', 'gamma')
    for parameter in loaded:
        if not parameter.endswith(zeros_at_first):  # nor ones
            assert not onp.array_equal(loaded[parameter], first[parameter])


# Gradients


def close(found, expected, rel):
    """Equal up to a share of the largest."""
    assert found == pytest.approx(expected, rel=rel, abs=rel * abs(expected).max())


@every_net
def test_every_trainable_parameter_gets_a_gradient(name):
    net, X = made(name)
    layers.power_iteration(net)
    back_propagated(net, X)
    found = gradients(net)
    largest = max(abs(gradient).max() for gradient in found.values())
    for parameter, gradient in found.items():
        assert onp.isfinite(gradient).all()
        if parameter in swallowed(net):
            assert abs(gradient).max() < 1e-4 * largest
        else:
            assert abs(gradient).max() > 1e-4 * largest, parameter


CONVOLUTIONS = {  # their kernel, whether transposed: strides 2, padding 1
    'convolution': lambda: nn.Conv2D(8, 4, 2, 1, in_channels=3),
    'transposed convolution': lambda: nn.Conv2DTranspose(8, 4, 2, 1, in_channels=3),
}


def convolution(X, W):
    """Stride 2 and padding 1 of X (N, C, H, W) with a kernel (O, C, 4, 4)."""
    return onp.einsum('nchwij,ocij->nohw', windows(X), W, optimize=True)


def windows(X):
    X = onp.pad(X, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return sliding_window_view(X, (4, 4), axis=(2, 3))[:, :, ::2, ::2]


def transposed_convolution(Y, W):
    """Every pixel of Y (N, O, H, W) paints its kernel (O, C, 4, 4), two pixels from the next."""
    n, _, height, width = Y.shape
    X = onp.zeros((n, W.shape[1], 2 * height + 2, 2 * width + 2))
    for i in range(height):
        for j in range(width):
            painted = onp.einsum('no,ocij->ncij', Y[:, :, i, j], W)
            X[:, :, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += painted
    return X[:, :, 1:-1, 1:-1]


def gradient_of_kernel(X, G):
    """Of sum(G * convolution(X, W)) with respect to W."""
    return onp.einsum('nohw,nchwij->ocij', G, windows(X), optimize=True)


@pytest.mark.parametrize('hybrid', [False, True])
@pytest.mark.parametrize('name', CONVOLUTIONS)
def test_convolutions_of_three_channels_are_those_of_numpy_there_and_back(name, hybrid):
    layer = nn.HybridSequential()
    layer.add(CONVOLUTIONS[name]())
    initialize(layer, seed=0)
    layer.hybridize(hybrid)
    W, bias = (p.data().asnumpy().astype('float64') for p in layer.collect_params().values())
    bias += onp.linspace(-1, 1, 8)
    last_bias(layer).set_data(np.array(bias))
    rng = onp.random.default_rng(0)
    X = rng.standard_normal((4, 3, 16, 16), 'float32')
    if name == 'convolution':
        expected = convolution(X, W)
        G = rng.standard_normal(expected.shape, 'float32')
        expected_gradients = transposed_convolution(G, W), gradient_of_kernel(X, G)
    else:
        expected = transposed_convolution(X, W)
        G = rng.standard_normal(expected.shape, 'float32')
        expected_gradients = convolution(G, W), gradient_of_kernel(G, X)
    expected = expected + bias[:, None, None]
    close(layer(np.array(X)).asnumpy(), expected, rel=1e-5)
    X = np.array(X)
    X.attach_grad()
    with autograd.record():
        Y = layer(X)
    Y.backward(np.array(G))
    close(Y.asnumpy(), expected, rel=1e-5)
    weight, bias = layer.collect_params().values()
    for found, gradient in zip((X.grad, weight.grad()), expected_gradients):
        close(found.asnumpy(), gradient, rel=1e-4)
    close(bias.grad().asnumpy(), G.sum(axis=(0, 2, 3)), rel=1e-4)


@pytest.mark.parametrize('training', [False, True])
def test_encoder_is_a_convolution_batch_norm_leaky_relu_and_a_linear_map(training):
    net = initialize(networks.ConvEncoder((3, 8, 8), 3, 4), seed=0)
    rng = onp.random.default_rng(0)
    for parameter in net.collect_params('.*(beta|gamma|running)').values():
        parameter.set_data(np.array(rng.uniform(0.5, 1.5, parameter.shape)))
    X = rng.standard_normal((4, 3, 8, 8), 'float32')
    W, b, gamma, beta, mean, var, W_last, b_last = weights(net).values()
    h = convolution(X, W) + b[:, None, None]
    if training:
        mean, var = h.mean(axis=(0, 2, 3)), h.var(axis=(0, 2, 3))
    scale = gamma / onp.sqrt(var + 1e-5)
    h = scale[:, None, None] * (h - mean[:, None, None]) + beta[:, None, None]
    h = onp.where(h > 0, h, 0.2 * h)
    expected = onp.split(h.reshape(4, -1) @ W_last.T + b_last, 2, axis=1)
    with autograd.record() if training else contextlib.nullcontext():
        close(output(net, np.array(X)), onp.stack(expected), rel=1e-5)


# Upsampling


def upsampled(upsampling, X, channels=5):
    """A doubling layer with random biases, and its output as NumPy."""
    layer = nn.HybridSequential()
    layer.add(*layers.UPSAMPLING[upsampling](X.shape[1], channels))
    initialize(layer, seed=0)
    last_bias(layer).set_data(np.array(onp.linspace(-1, 1, channels)))
    return layer, layer(np.array(X)).asnumpy()


def test_resize_conv_is_resizing_and_a_3x3_convolution():
    """With a quarter of its mirrored kernel: the pool takes the mean of 2x2, resizing the sum."""
    X = onp.random.default_rng(0).standard_normal((2, 3, 6, 6), 'float32')
    layer, found = upsampled('resize', X)
    W, bias = weights(layer).values()
    kernel = W.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1] / 4
    resized = onp.repeat(onp.repeat(X, 2, axis=2), 2, axis=3)
    padded = onp.pad(resized, ((0, 0), (0, 0), (1, 1), (1, 1)))
    patches = sliding_window_view(padded, (3, 3), axis=(2, 3))
    expected = onp.einsum('nchwij,ocij->nohw', patches, kernel) + bias[:, None, None]
    close(found, expected, rel=1e-5)


@pytest.mark.parametrize('upsampling, uniform', [('resize', True), ('transposed', False)])
def test_only_a_transposed_convolution_makes_a_checkerboard_of_a_uniform_map(upsampling, uniform):
    X = onp.broadcast_to(onp.float32([[[[1]], [[-2]], [[3]]]]), (1, 3, 8, 8))
    _, Y = upsampled(upsampling, X)
    assert Y.shape == (1, 5, 16, 16)
    inner = Y[0, :, 2:-2, 2:-2]  # the border sees the zeros around the map
    contrast = (inner.max(axis=(1, 2)) - inner.min(axis=(1, 2))).max()
    spectrum = abs(onp.fft.fft2(inner, norm='ortho')) ** 2
    nyquist = spectrum[:, [6, 0, 6], [0, 6, 6]].sum(axis=1).max()
    if uniform:
        assert contrast < 1e-5 * abs(inner).max() and nyquist < 1e-9 * spectrum.max()
    else:
        assert contrast > 0.1 * abs(inner).max() and nyquist > 0.01 * spectrum.max()


# Batch norm


@every_net
def test_batch_norm_is_found_wherever_it_is(name):
    assert layers.has_batch_norm(made(name)[0]) == (name not in WITHOUT_BATCH_NORM)


def test_batch_norm_is_what_makes_the_outputs_depend_on_the_rest_of_the_batch():
    for name in NETS:
        net, X = made(name)
        with autograd.train_mode():
            alone, among_others = output(net, X[:2]), output(net, X)[:, :2]
        close_enough = onp.allclose(alone, among_others, rtol=1e-3, atol=1e-4)
        assert close_enough == (name in WITHOUT_BATCH_NORM), name


@every_net
def test_an_evaluation_changes_nothing_and_a_training_pass_the_statistics_alone(name):
    net, X = made(name)
    before = weights(net)
    first = output(net, X)
    assert onp.array_equal(output(net, X), first)
    assert equal(weights(net), before)
    back_propagated(net, X)
    moved = {n for n, w in weights(net).items() if not onp.array_equal(w, before[n])}
    assert moved == {n for n in before if 'running_' in n}
    assert bool(moved) == (name not in WITHOUT_BATCH_NORM)


def test_discriminators_have_batch_norm_from_the_second_convolution_on():
    for deep, convolutions in ((False, 3), (True, 6)):
        net = networks.ConvDisc(FACE, 2, 'batch', deep)
        kinds = [type(layer).__name__ for layer in net.net]
        follow = {}
        for layer, after in zip(kinds, kinds[1:]):
            follow.setdefault(layer, []).append(after)
        assert follow['Conv2D'] == ['LeakyReLU', *['BatchNorm'] * (convolutions - 1)]
        assert follow['BatchNorm'] == ['LeakyReLU'] * (convolutions - 1)
        assert kinds[-1] == 'Dense'


# Spectral norm


def spectral():
    return initialize(SpectralConv2D(3, 8, 4, 1, 0), seed=0)


def effective(layer):
    """The matrix that the layer multiplies with: what it makes of unit inputs."""
    channels, *shape = layer.weight.shape
    units = onp.eye(onp.prod(shape), dtype='float32').reshape(-1, *shape)
    return layer(np.array(units)).asnumpy().reshape(-1, channels).T


def largest_singular_value(W):
    return onp.linalg.svd(W.reshape(len(W), -1))[1].max()


def sigma(W, u, v):
    return u @ W.reshape(len(u), -1) @ v


def test_greatest_singular_value_becomes_1_by_power_iterations():
    layer = spectral()
    layer.weight.set_data(3 * layer.weight.data())
    for _ in range(60):
        layers.power_iteration(layer)
    W, _, u, v = weights(layer).values()
    assert largest_singular_value(W) > 2
    assert largest_singular_value(effective(layer)) == pytest.approx(1, abs=1e-3)
    assert effective(layer) == pytest.approx(W.reshape(8, -1) / sigma(W, u, v), abs=1e-6)


@pytest.mark.parametrize('deep', [False, True])
def test_every_layer_of_a_discriminator_with_spectral_norm_is_bounded(deep):
    net = initialize(networks.ConvDisc(FACE, 2, 'spectral', deep), seed=0)
    for _ in range(50):
        layers.power_iteration(net)
    spectral = [layer for layer in net.net if isinstance(layer, SpectralConv2D)]
    assert len(spectral) == sum(len(shape) == 4 for shape in shapes(net)) == (7 if deep else 4)
    for layer in spectral:
        W, _, u, v = weights(layer).values()
        assert sigma(W, u, v) == pytest.approx(largest_singular_value(W), rel=0.02)
        assert onp.linalg.norm(u) == pytest.approx(1) and onp.linalg.norm(v) == pytest.approx(1)


def test_one_power_iteration_is_that_of_miyatos_algorithm_1():
    layer = spectral()
    W, _, u, _ = weights(layer).values()
    layers.power_iteration(layer)
    v = W.reshape(8, -1).T @ u
    v /= onp.linalg.norm(v)
    u = W.reshape(8, -1) @ v
    u /= onp.linalg.norm(u)
    assert weights(layer)['u'] == pytest.approx(u, abs=1e-6)
    assert weights(layer)['v'] == pytest.approx(v, abs=1e-6)


@every_net
def test_power_iteration_moves_singular_vectors_and_nothing_else(name):
    net, _ = made(name)
    before = weights(net)
    layers.power_iteration(net)
    moved = {n for n, w in weights(net).items() if not onp.array_equal(w, before[n])}
    assert moved == {n for n in before if n.endswith(('.u', '.v'))}
    assert bool(moved) == ('spectral' in name)


@pytest.mark.parametrize('name', ['ConvDisc, spectral', 'DeepConvDisc, spectral'])
def test_singular_vectors_get_no_gradient_and_no_update(name):
    net, X = made(name)
    optimiser = gluon.Trainer(net.collect_params(), 'adam', kvstore=None)
    before = weights(net)
    vectors = {n for n in before if n.endswith(('.u', '.v'))}
    assert trainable(net).keys() == before.keys() - vectors
    back_propagated(net, X)
    optimiser.step(1)
    after = weights(net)
    assert {n for n in before if onp.array_equal(after[n], before[n])} == vectors


def test_gradient_of_a_spectral_layer_is_that_of_its_weights_over_their_sigma():
    layer = spectral()
    layers.power_iteration(layer)
    X = onp.random.default_rng(0).standard_normal((4, 3, 6, 6), 'float32')
    with autograd.record():
        loss = (layer(np.array(X)) ** 2).sum()
    loss.backward()
    W, _, u, v = (w.astype('float64') for w in weights(layer).values())
    patches = sliding_window_view(X, (4, 4), axis=(2, 3))

    def by_numpy(W):
        Y = onp.einsum('nchwij,ocij->nohw', patches, W / sigma(W, u, v), optimize=True)
        return (Y**2).sum()

    assert loss.item() == pytest.approx(by_numpy(W), rel=1e-5)
    found = layer.weight.grad().asnumpy()
    for place in [(0, 0, 0, 0), (3, 1, 2, 3), (7, 2, 3, 0)]:
        step = onp.zeros_like(W)
        step[place] = 1e-5
        by_differences = (by_numpy(W + step) - by_numpy(W - step)) / 2e-5
        assert found[place] == pytest.approx(by_differences, rel=1e-3)
    # A greater W is the same layer, so no gradient points that way: the derivative of sigma counts.
    assert abs((found * W).sum()) < 1e-5 * loss.item()


def test_a_picture_of_data_passes_every_network_that_takes_pictures():
    for name in ENCODERS | DISCRIMINATORS:
        net, X = made(name)
        X = np.array(to_float(pictures(4, X.shape[1:])))
        assert onp.isfinite(output(net, X)).all()


# Graphs


def test_a_graph_says_what_its_function_says_and_has_the_same_gradients():
    net = nn.Dense(3, in_units=4)
    initialize(net, seed=0)

    def loss(X, Y, F=mx):
        return F.np.square(net(X) - Y).sum(axis=1), F.np.mean(X > 0)

    X, Y = np.array([[1.0, -2, 3, 4], [5, 6, -7, 8]]), np.ones((2, 3))
    found = []
    for call in (loss, layers.graph(loss, net)):
        with autograd.record():
            values, share = call(X, Y)
        values.backward()
        found.append([a.asnumpy().copy() for a in (values, share, net.weight.grad())])
    for plain, graph in zip(*found):
        assert graph == pytest.approx(plain)
    assert found[1][1] == 0.75 and abs(found[1][2]).max() > 0
