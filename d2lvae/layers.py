"""The parts of networks: layers, spectral norm, initialisation, and functions as one graph."""

import math

import mxnet as mx
import numpy as onp
from mxnet import init, np
from mxnet.gluon import nn

LEAK = 0.2  # slope of LeakyReLU below 0 (Radford et al. 2016)


def dense_layers(num_inputs, num_layers, num_nodes, num_outputs):
    """`num_layers` hidden layers with ReLU, then one linear layer."""
    net = nn.HybridSequential()
    for _ in range(num_layers):
        net.add(nn.Dense(num_nodes, activation='relu', in_units=num_inputs))
        num_inputs = num_nodes
    net.add(nn.Dense(num_outputs, in_units=num_inputs))
    return net


def conv_layers(in_channels, channels, kernel=4, strides=2, norm='batch'):
    """A convolution, its norm ('batch', 'spectral' or 'none') and LeakyReLU."""
    if norm == 'spectral':
        yield SpectralConv2D(in_channels, channels, kernel, strides, padding=1)
    else:
        yield nn.Conv2D(channels, kernel, strides, 1, in_channels=in_channels)
    if norm == 'batch':
        yield nn.BatchNorm(in_channels=channels)
    yield nn.LeakyReLU(LEAK)


def doubled(first, num):
    return [first * 2**i for i in range(num)]


def resize_conv(in_channels, channels):
    """Doubles height and width by nearest-neighbour resizing, then convolves, 3x3.

    Unlike a transposed convolution alone it leaves no checkerboard (Odena, Dumoulin and Olah 2016).
    Resizing is zeros between the pixels, then a sum over 2x2 (here a mean). Both are linear, so
    the convolution may come before the sum: as a transposed one, which skips the zeros.
    """
    yield nn.Conv2DTranspose(channels, 3, strides=2, in_channels=in_channels)
    yield Mean2x2(channels)


class Mean2x2(nn.HybridBlock):
    """The mean of every 2x2 pixels, one row and column fewer than came in.

    As a convolution: with three channels oneDNN's pooling takes ten times as long.
    """

    def __init__(self, channels):
        super().__init__()
        self.channels = channels

    def hybrid_forward(self, F, X):
        weight = F.np.full((self.channels, 1, 2, 2), 1 / 4)
        size = {'kernel': (2, 2), 'num_filter': self.channels, 'num_group': self.channels}
        return F.npx.convolution(X, weight, no_bias=True, **size)


def transposed_conv(in_channels, channels):
    """Doubles height and width by a transposed convolution, 4x4 (Radford et al. 2016)."""
    yield nn.Conv2DTranspose(channels, 4, strides=2, padding=1, in_channels=in_channels)


UPSAMPLING = {'resize': resize_conv, 'transposed': transposed_conv}


class SpectralConv2D(nn.HybridBlock):
    r"""A convolution whose weights, as a matrix, have the greatest singular value 1.

    $$\bar W = W / \sigma(W) \qquad \sigma(W) = u^T W v$$

    Miyato et al. 2018, section 2.1 and algorithm 1. `u` and `v` are no weights: they get no
    gradient, and `power_iteration` moves them before every update of the weights.
    """

    def __init__(self, in_channels, channels, kernel, strides, padding):
        super().__init__()
        self.shape = {
            'num_filter': channels,
            'kernel': (kernel, kernel),
            'stride': (strides, strides),
            'pad': (padding, padding),
        }
        shape = (channels, in_channels, kernel, kernel)
        fixed = {'init': init.Normal(1), 'grad_req': 'null'}
        with self.name_scope():
            self.weight = self.params.get('weight', shape=shape)
            self.bias = self.params.get('bias', shape=(channels,), init='zeros')
            self.u = self.params.get('u', shape=(channels,), **fixed)
            self.v = self.params.get('v', shape=(math.prod(shape[1:]),), **fixed)

    def hybrid_forward(self, F, X, weight, bias, u, v):
        sigma = F.np.dot(u, F.np.dot(F.npx.reshape(weight, (-2, -1)), v))
        return F.npx.convolution(X, weight / sigma, bias, no_bias=False, **self.shape)

    def power_iteration(self):
        matrix = self.weight.data().reshape(len(self.u.data()), -1)
        self.v.set_data(unit(np.dot(self.u.data(), matrix)))
        self.u.set_data(unit(np.dot(matrix, self.v.data())))


def unit(vector):
    return vector / np.sqrt(np.dot(vector, vector) + 1e-12)


def power_iteration(net):
    """One step of every `SpectralConv2D` inside a network towards its greatest singular value."""
    net.apply(lambda block: isinstance(block, SpectralConv2D) and block.power_iteration())


def has_batch_norm(net):
    """Whether what a network says of a picture depends on the others of its batch."""
    return len(net.collect_params('.*running_mean').keys()) > 0


def graph(function, *nets):
    """A function of arrays and `F`, with the networks that it calls, as one call of MXNet."""
    block = nn.HybridLambda(lambda F, *inputs: function(*inputs, F=F))
    for net in nets:
        block.register_child(net)
    block.hybridize(static_alloc=True, static_shape=True)
    return block


def initialize(net, seed):
    """Xavier weights from the seed, one graph for the whole net; returns the net."""
    onp.random.seed(seed)  # Gluon's initialisers draw from NumPy's and MXNet's global generators
    mx.random.seed(seed)
    net.initialize(init.Xavier(), force_reinit=True)
    net.hybridize(static_alloc=True)
    return net


def num_parameters(net):
    return sum(p.data().size for p in net.collect_params().values())
