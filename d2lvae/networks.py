"""Encoders, decoders and discriminators: Gluon blocks that return logits and know no loss."""

import math
from functools import partial
from inspect import signature

from mxnet import np
from mxnet.gluon import nn
from mxnet.gluon.model_zoo.vision import BasicBlockV1, ResNetV1

from d2lvae.base.errors import CourseError
from d2lvae.layers import UPSAMPLING, SpectralConv2D, conv_layers, dense_layers, doubled

SMALLEST = 4  # side of the map between the convolutions and the latents


class Encoder(nn.HybridBlock):
    """Pictures (N, C, H, W) to (mu, log_var), each (N, latents)."""

    def hybrid_forward(self, F, X):
        return F.np.split(self.net(X), 2, axis=1)


class DenseEncoder(Encoder):
    """Hidden layers with ReLU, then a linear one."""

    def __init__(self, shape, latents=5, hidden_layers=3, hidden_nodes=400):
        super().__init__()
        self.latents = latents
        self.net = dense_layers(math.prod(shape), hidden_layers, hidden_nodes, 2 * latents)


class DenseDecoder(nn.HybridBlock):
    """Latents (N, latents) to the logits of pictures (N, C, H, W)."""

    def __init__(self, shape, latents=5, hidden_layers=3, hidden_nodes=400):
        super().__init__()
        self.shape = shape
        self.net = dense_layers(latents, hidden_layers, hidden_nodes, math.prod(shape))

    def hybrid_forward(self, F, z):
        return F.npx.reshape(self.net(z), (-2, *self.shape))


class Discriminator(nn.HybridBlock):
    """Pictures (N, C, H, W) to one logit each, (N,).

    The first `middle` layers of `net` give the features of Dis_l.
    """

    def hybrid_forward(self, F, X):
        return F.np.reshape(self.net(X), (-1,))


class DenseLogReg(Discriminator):
    """A logistic regression on hidden layers."""

    def __init__(self, shape, disc_layers=1, disc_nodes=200):
        super().__init__()
        self.net = dense_layers(math.prod(shape), disc_layers, disc_nodes, 1)
        self.middle = disc_layers


class ConvEncoder(Encoder):
    """Strided convolutions that halve the side of pictures (N, C, S, S) down to 4x4.

    They double the channels, from `base_channels` on; the latents are linear in the last map.
    `deep` adds a 3x3 convolution on every scale.
    """

    def __init__(self, shape, latents=512, base_channels=32, deep=False):
        super().__init__()
        self.latents = latents
        channels = widths(shape, base_channels)
        self.net = nn.HybridSequential()
        for inputs, outputs in zip([shape[0], *channels], channels):
            self.net.add(*conv_layers(inputs, outputs))
            if deep:
                self.net.add(*conv_layers(outputs, outputs, 3, 1))
        self.net.add(nn.Dense(2 * latents, in_units=channels[-1] * SMALLEST**2))


class ConvDecoder(nn.HybridBlock):
    """Latents (N, latents) to the logits of pictures (N, C, S, S): the encoder backwards.

    `upsampling` is how the side is doubled: 'resize' (`resize_conv`) or 'transposed'
    (`transposed_conv`). `deep` adds a 3x3 convolution on every scale but the last.
    """

    def __init__(self, shape, latents=512, base_channels=32, upsampling='resize', deep=False):
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


class ConvDisc(Discriminator):
    """Three strided convolutions with LeakyReLU, then a linear layer.

    The first has `disc_channels`, each further one twice as many. `disc_norm` is 'batch' (from the
    second convolution on, as in the study), 'spectral' (every layer) or 'none'. `deep` adds a 3x3
    convolution on every scale.
    """

    def __init__(self, shape, disc_channels=32, disc_norm='batch', deep=False):
        super().__init__()
        widths(shape, disc_channels)
        self.net = nn.HybridSequential()
        inputs, norm = shape[0], 'none' if disc_norm == 'batch' else disc_norm
        for scale, outputs in enumerate(doubled(disc_channels, 3)):
            self.net.add(*conv_layers(inputs, outputs, norm=norm))
            norm = disc_norm
            if deep:
                self.net.add(*conv_layers(outputs, outputs, 3, 1, norm))
            inputs = outputs
            if scale == 1:
                self.middle = len(self.net)
        side = shape[1] // 8
        if disc_norm == 'spectral':
            self.net.add(SpectralConv2D(inputs, 1, side, 1, padding=0))
        else:
            # A convolution of that size would say the same, but hand back its gradient in a memory
            # layout in which oneDNN's batch norm takes fifty times as long.
            self.net.add(nn.Dense(1, in_units=inputs * side**2))


class ResNet(Discriminator):
    """The ResNet-18 of He et al. 2016; `disc_channels`: of its first stage, 64 in the paper."""

    def __init__(self, shape, disc_channels=64):
        super().__init__()
        widths(shape, disc_channels)
        channels = [disc_channels, *doubled(disc_channels, 4)]
        resnet = ResNetV1(BasicBlockV1, [2, 2, 2, 2], channels, classes=1)
        self.net, self.middle = resnet.features, 5
        self.net.add(resnet.output)
        self.net.infer_shape(np.zeros((1, *shape)))


def widths(shape, base_channels):
    """Channels on each scale between a picture of `shape` (C, S, S) and the map of 4x4.

    Raises CourseError if the side can't be halved to 4.
    """
    scales = math.log2(shape[1] / SMALLEST)
    if shape[1] != shape[2] or scales < 1 or scales % 1:
        raise CourseError(
            'Convolutional networks need square pictures whose side is a power of 2 from 8 on, '
            f'and these have {shape[1]} x {shape[2]} pixels: use the faces of avatars or anime, '
            'or use DenseVAE and DenseLogReg.'
        )
    return doubled(base_channels, int(scales))


# What an experiment names. A constructor takes the pictures' shape and, by their names, those of
# the experiment's sizes that it needs; an encoder says how many `latents` it has.

VAES = {  # encoder, decoder
    'DenseVAE': (DenseEncoder, DenseDecoder),
    'ConvVAE': (ConvEncoder, ConvDecoder),
    'DeepConvVAE': (partial(ConvEncoder, deep=True), partial(ConvDecoder, deep=True)),
}
DISCRIMINATORS = {
    'DenseLogReg': DenseLogReg,
    'ConvDisc': ConvDisc,
    'DeepConvDisc': partial(ConvDisc, deep=True),
    'ResNet': ResNet,
}


def sizes_of(net):
    """The names of what a constructor takes beside the pictures' shape."""
    return [name for name in signature(net).parameters if name != 'shape']


def make(net, shape, sizes):
    """What a constructor makes for pictures of `shape` (C, H, W), of the sizes that it knows."""
    return net(shape, **{name: sizes[name] for name in sizes_of(net) if name in sizes})
