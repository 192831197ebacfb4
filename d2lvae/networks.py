"""Encoders, decoders and discriminators: Gluon blocks that return logits and know no loss."""

import math

from mxnet import init, np
from mxnet.gluon import nn

SMALLEST = 4  # side of the map between the convolutions and the latents
LEAK = 0.2  # slope of LeakyReLU below 0 (Radford et al. 2016)
NORMS = ('batch', 'spectral', 'none')

# Dense networks


def dense_layers(num_inputs, num_layers, num_nodes, num_outputs):
    """`num_layers` hidden layers with ReLU, then one linear layer."""
    net = nn.HybridSequential()
    for _ in range(num_layers):
        net.add(nn.Dense(num_nodes, activation='relu', in_units=num_inputs))
        num_inputs = num_nodes
    net.add(nn.Dense(num_outputs, in_units=num_inputs))
    return net


class DenseEncoder(nn.HybridBlock):
    """Pictures (N, C, H, W) to (mu, log_var), each (N, latents)."""

    def __init__(self, shape, latents, hidden_layers, hidden_nodes):
        super().__init__()
        self.net = dense_layers(math.prod(shape), hidden_layers, hidden_nodes, 2 * latents)

    def hybrid_forward(self, F, X):
        return F.np.split(self.net(X), 2, axis=1)


class DenseDecoder(nn.HybridBlock):
    """Latents (N, latents) to the logits of pictures (N, C, H, W)."""

    def __init__(self, shape, latents, hidden_layers, hidden_nodes):
        super().__init__()
        self.shape = shape
        self.net = dense_layers(latents, hidden_layers, hidden_nodes, math.prod(shape))

    def hybrid_forward(self, F, z):
        return F.npx.reshape(self.net(z), (-2, *self.shape))


class DenseLogReg(nn.HybridBlock):
    """Discriminator: a logistic regression on hidden layers; pictures to one logit each, (N,).

    `middle`, here and below, is how many layers of `net` give the features of Dis_l.
    """

    def __init__(self, shape, hidden_layers, hidden_nodes):
        super().__init__()
        self.net = dense_layers(math.prod(shape), hidden_layers, hidden_nodes, 1)
        self.middle = hidden_layers

    def hybrid_forward(self, F, X):
        return F.np.reshape(self.net(X), (-1,))


# Convolutional networks


class ConvEncoder(nn.HybridBlock):
    """Pictures (N, C, S, S) to (mu, log_var), each (N, latents).

    Strided convolutions halve the side and double the channels, from `base_channels` on, down to
    4x4; the latents are linear in the last map. `deep` adds a 3x3 convolution on every scale.
    """

    def __init__(self, shape, latents, base_channels, deep=False):
        super().__init__()
        self.net = nn.HybridSequential()
        inputs = shape[0]
        for outputs in widths(shape, base_channels):
            self.net.add(*conv_layers(inputs, outputs))
            if deep:
                self.net.add(*conv_layers(outputs, outputs, 3, 1))
            inputs = outputs
        self.net.add(nn.Dense(2 * latents, in_units=inputs * SMALLEST**2))

    def hybrid_forward(self, F, X):
        return F.np.split(self.net(X), 2, axis=1)


class ConvDecoder(nn.HybridBlock):
    """Latents (N, latents) to the logits of pictures (N, C, S, S): the encoder backwards.

    `upsampling` is how the side is doubled: 'resize' (`resize_conv`) or 'transposed'
    (`transposed_conv`). `deep` adds a 3x3 convolution on every scale but the last.
    """

    def __init__(self, shape, latents, base_channels, upsampling='resize', deep=False):
        super().__init__()
        channels = widths(shape, base_channels)[::-1]
        self.map = (-2, channels[0], SMALLEST, SMALLEST)
        self.dense = nn.Dense(channels[0] * SMALLEST**2, in_units=latents)
        self.net = nn.HybridSequential()
        for inputs, outputs in zip(channels, [*channels[1:], shape[0]]):
            self.net.add(nn.BatchNorm(in_channels=inputs), nn.Activation('relu'))
            if deep:
                self.net.add(*conv_layers(inputs, inputs, 3, 1))
            self.net.add(*UPSAMPLING[upsampling](inputs, outputs))

    def hybrid_forward(self, F, z):
        return self.net(F.npx.reshape(self.dense(z), self.map))


def resize_conv(in_channels, channels):
    """Doubles height and width by nearest-neighbour resizing, then convolves, 3x3.

    A transposed convolution gives neighbouring pixels different weights, and so a checkerboard;
    resizing first does not (Odena, Dumoulin and Olah 2016), but then the convolution works on four
    times as many pixels. Resizing is itself two steps, zeros between the pixels and a sum over 2x2,
    and sums and convolutions can change places: zeros and a convolution, which together are a
    transposed convolution, and then the sum (here a mean) give the same at less than its price.
    """
    yield nn.Conv2DTranspose(channels, 3, strides=2, in_channels=in_channels)
    yield Mean2x2(channels)


class Mean2x2(nn.HybridBlock):
    """The mean of every 2x2 pixels, one row and column fewer than came in.

    A convolution of each channel by itself: with three channels oneDNN's pooling takes ten times
    as long.
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


class ConvDisc(nn.HybridBlock):
    """Discriminator: three strided convolutions with LeakyReLU; pictures to one logit each, (N,).

    Parameters
    ----------
    norm : {'batch', 'spectral', 'none'}
        Batch norm from the second convolution on, as in the study; or spectral norm of every
        layer (`SpectralConv2D`).
    deep : bool
        Adds a 3x3 convolution on every scale: the DeepConvDisc.
    """

    def __init__(self, shape, base_channels, norm='batch', deep=False):
        super().__init__()
        self.net = nn.HybridSequential()
        inputs, first = shape[0], 'none' if norm == 'batch' else norm
        for scale, outputs in enumerate(doubled(base_channels, 3)):
            self.net.add(*conv_layers(inputs, outputs, norm=first))
            if deep:
                self.net.add(*conv_layers(outputs, outputs, 3, 1, norm=norm))
            inputs, first = outputs, norm
            if scale == 1:
                self.middle = len(self.net)
        side = shape[1] // 8
        if norm == 'spectral':
            self.net.add(SpectralConv2D(inputs, 1, side, 1, padding=0))
        else:
            # A convolution of that size would say the same, but hand back its gradient in a memory
            # layout in which oneDNN's batch norm takes fifty times as long.
            self.net.add(nn.Dense(1, in_units=inputs * side**2))

    def hybrid_forward(self, F, X):
        return F.np.reshape(self.net(X), (-1,))


class ResNet(nn.HybridBlock):
    """Discriminator: the ResNet-18 of He et al. 2016; pictures to one logit each, (N,).

    `base_channels` is the width of its first stage, 64 in the paper.
    """

    def __init__(self, shape, base_channels=64):
        super().__init__()
        self.net = nn.HybridSequential()
        self.net.add(
            nn.Conv2D(base_channels, 7, 2, 3, in_channels=shape[0], use_bias=False),
            nn.BatchNorm(in_channels=base_channels),
            nn.Activation('relu'),
            nn.MaxPool2D(3, 2, 1),
        )
        inputs = base_channels
        for stage, outputs in enumerate(doubled(base_channels, 4)):
            self.net.add(Residual(inputs, outputs, 2 if stage else 1), Residual(outputs, outputs))
            inputs = outputs
            if stage == 0:
                self.middle = len(self.net)
        self.net.add(nn.GlobalAvgPool2D(), nn.Dense(1, in_units=inputs))

    def hybrid_forward(self, F, X):
        return F.np.reshape(self.net(X), (-1,))


class Residual(nn.HybridBlock):
    """Two 3x3 convolutions with batch norm, added to their input (He et al. 2016, figure 2)."""

    def __init__(self, in_channels, channels, strides=1):
        super().__init__()
        self.body = nn.HybridSequential()
        self.body.add(
            nn.Conv2D(channels, 3, strides, 1, in_channels=in_channels, use_bias=False),
            nn.BatchNorm(in_channels=channels),
            nn.Activation('relu'),
            nn.Conv2D(channels, 3, 1, 1, in_channels=channels, use_bias=False),
            nn.BatchNorm(in_channels=channels),
        )
        self.shortcut = nn.HybridSequential()
        if strides > 1:
            self.shortcut.add(
                nn.Conv2D(channels, 1, strides, in_channels=in_channels, use_bias=False),
                nn.BatchNorm(in_channels=channels),
            )

    def hybrid_forward(self, F, X):
        return F.npx.activation(self.body(X) + self.shortcut(X), act_type='relu')


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
    found = []
    net.apply(lambda block: found.append(isinstance(block, nn.BatchNorm)))
    return any(found)


class Graph(nn.HybridBlock):
    """A function of arrays as one graph, its networks included: one call instead of one for each
    operator.

    Parameters
    ----------
    function : callable
        Takes arrays, and `F` by name; returns arrays.
    nets : HybridBlock
        The networks that it calls.
    """

    def __init__(self, function, *nets):
        super().__init__()
        self.function = function
        for net in nets:
            self.register_child(net)
        self.hybridize(static_alloc=True)

    def hybrid_forward(self, F, *inputs):
        return self.function(*inputs, F=F)


# Layers that several of them use


def conv(in_channels, channels, kernel, strides, padding, spectral=False):
    if spectral:
        return SpectralConv2D(in_channels, channels, kernel, strides, padding)
    return nn.Conv2D(channels, kernel, strides, padding, in_channels=in_channels)


def conv_layers(in_channels, channels, kernel=4, strides=2, norm='batch'):
    """A convolution, its norm and LeakyReLU."""
    yield conv(in_channels, channels, kernel, strides, 1, norm == 'spectral')
    if norm == 'batch':
        yield nn.BatchNorm(in_channels=channels)
    yield nn.LeakyReLU(LEAK)


def doubled(first, num):
    return [first * 2**i for i in range(num)]


def widths(shape, base_channels):
    """Channels on each scale between a picture of `shape` (C, S, S) and the map of 4x4."""
    return doubled(base_channels, int(math.log2(shape[1] // SMALLEST)))
