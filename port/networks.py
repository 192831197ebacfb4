"""The networks of `d2lvae/networks.py` and `vae.py`, layer by layer, weights in the same order.

Parameters `p` are those of the course's `Experiment`, as attributes.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from port import named

SMALLEST, LEAK = 4, 0.2


# Parts


def dense_layers(num_inputs, num_layers, num_nodes, num_outputs):
    for _ in range(num_layers):
        yield from (nn.Linear(num_inputs, num_nodes), nn.ReLU())
        num_inputs = num_nodes
    yield nn.Linear(num_inputs, num_outputs)


def conv_layers(in_channels, channels, kernel=4, strides=2, norm='batch'):
    yield conv(in_channels, channels, kernel, strides, 1, spectral=norm == 'spectral')
    if norm == 'batch':
        yield nn.BatchNorm2d(channels)
    yield nn.LeakyReLU(LEAK)


def conv(*sizes, spectral=False):
    return SpectralConv2d(*sizes) if spectral else nn.Conv2d(*sizes)


def doubled(first, num):
    return [first * 2**i for i in range(num)]


def resize_conv(in_channels, channels):
    yield nn.ConvTranspose2d(in_channels, channels, 3, 2)
    yield nn.AvgPool2d(2, 1)


def transposed_conv(in_channels, channels):
    yield nn.ConvTranspose2d(in_channels, channels, 4, 2, 1)


UPSAMPLING = {'resize': resize_conv, 'transposed': transposed_conv}


class Residual(nn.Module):
    def __init__(self, in_channels, channels, strides=1):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, channels, 3, strides, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.shortcut = nn.Sequential()
        if strides > 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, strides, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, X):
        return torch.relu(self.body(X) + self.shortcut(X))


class SpectralConv2d(nn.Conv2d):
    """Divided by its greatest singular value, which `power_iteration` follows.

    PyTorch's own `spectral_norm` iterates at every pass, the course before every update.
    """

    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.register_buffer('u', torch.randn(self.out_channels))
        self.register_buffer('v', torch.randn(self.weight[0].numel()))

    def forward(self, X):
        sigma = self.u @ self.weight.flatten(1) @ self.v
        return F.conv2d(X, self.weight / sigma, self.bias, self.stride, self.padding)

    @torch.no_grad()
    def power_iteration(self):
        matrix = self.weight.flatten(1)
        self.v.copy_(unit(self.u @ matrix))
        self.u.copy_(unit(matrix @ self.v))


def unit(vector):
    return vector / torch.sqrt(vector @ vector + 1e-12)


def power_iteration(net):
    for module in net.modules():
        if isinstance(module, SpectralConv2d):
            module.power_iteration()


def has_batch_norm(net):
    return any(isinstance(module, nn.BatchNorm2d) for module in net.modules())


# The VAE


class VAE(nn.Module):
    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def encode(self, X):
        return self.encoder(X).chunk(2, dim=1)

    def sample(self, mu, log_var, eps):
        return mu + torch.exp(0.5 * log_var) * eps

    def decode(self, z):
        return self.decoder(z)


def dense_vae(p, shape):
    sizes = p.hidden_layers, p.hidden_nodes
    encoder = dense_layers(math.prod(shape), *sizes, 2 * p.latents)
    decoder = dense_layers(p.latents, *sizes, math.prod(shape))
    return VAE(
        nn.Sequential(nn.Flatten(), *encoder), nn.Sequential(*decoder, nn.Unflatten(1, shape))
    )


def conv_vae(p, shape):
    deep = p.vae == 'DeepConvVAE'
    channels = doubled(p.base_channels, int(math.log2(shape[1] // SMALLEST)))
    size = channels[-1] * SMALLEST**2
    encoder, decoder, inputs = [], [], shape[0]
    for outputs in channels:
        encoder += conv_layers(inputs, outputs)
        if deep:
            encoder += conv_layers(outputs, outputs, 3, 1)
        inputs = outputs
    for outputs in [*channels[-2::-1], shape[0]]:
        decoder += [nn.BatchNorm2d(inputs), nn.ReLU()]
        if deep:
            decoder += conv_layers(inputs, inputs, 3, 1)
        decoder += UPSAMPLING[p.upsampling](inputs, outputs)
        inputs = outputs
    return VAE(
        nn.Sequential(*encoder, nn.Flatten(), nn.Linear(size, 2 * p.latents)),
        nn.Sequential(
            nn.Linear(p.latents, size), nn.Unflatten(1, (-1, SMALLEST, SMALLEST)), *decoder
        ),
    )


def with_nonnegative_latents(vae, latents):
    """The study's encoder ended in batch norm and ReLU: no mean and no log-variance below 0."""
    vae.encoder.extend([nn.BatchNorm1d(2 * latents), nn.ReLU()])
    return vae


# Discriminators


class Disc(nn.Sequential):
    """Pictures to one logit each, (N,); the first `middle` layers give the features of Dis_l."""

    def __init__(self, layers, middle):
        super().__init__(*layers, nn.Flatten(0))
        self.middle = middle

    def features(self, X):
        for layer in list(self)[: self.middle]:
            X = layer(X)
        return X


def dense_log_reg(p, shape):
    layers = dense_layers(math.prod(shape), p.disc_layers, p.disc_nodes, 1)
    return Disc([nn.Flatten(), *layers], 1 + 2 * p.disc_layers)


def conv_disc(p, shape):
    deep = p.discriminator == 'DeepConvDisc'
    layers, inputs, norm = [], shape[0], p.disc_norm
    first = 'none' if norm == 'batch' else norm
    for scale, outputs in enumerate(doubled(p.disc_channels, 3)):
        layers += conv_layers(inputs, outputs, norm=first)
        if deep:
            layers += conv_layers(outputs, outputs, 3, 1, norm)
        inputs, first = outputs, norm
        if scale == 1:
            middle = len(layers)
    last = conv(inputs, 1, shape[1] // 8, 1, 0, spectral=norm == 'spectral')
    return Disc([*layers, last], middle)


def resnet(p, shape):
    layers = [
        nn.Conv2d(shape[0], p.disc_channels, 7, 2, 3, bias=False),
        nn.BatchNorm2d(p.disc_channels),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]
    inputs = p.disc_channels
    for stage, outputs in enumerate(doubled(p.disc_channels, 4)):
        layers += [Residual(inputs, outputs, 2 if stage else 1), Residual(outputs, outputs)]
        inputs = outputs
    return Disc([*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 1)], 6)


VAES = {'DenseVAE': dense_vae, 'ConvVAE': conv_vae, 'DeepConvVAE': conv_vae}
DISCRIMINATORS = {
    'DenseLogReg': dense_log_reg,
    'ConvDisc': conv_disc,
    'DeepConvDisc': conv_disc,
    'ResNet': resnet,
}


def make_vae(p, shape):
    """For pictures of `shape` (C, H, W), as is the discriminator."""
    return named(VAES, p.vae, 'port.networks.VAES')(p, shape)


def make_disc(p, shape):
    return named(DISCRIMINATORS, p.discriminator, 'port.networks.DISCRIMINATORS')(p, shape)


# Weights


def tensors(net):
    """Weights and statistics in the order in which MXNet keeps them."""
    return [t for name, t in net.state_dict().items() if not name.endswith('num_batches_tracked')]


@torch.no_grad()
def fill(net, arrays):
    """Give a network the weights of its namesake in the course, NumPy arrays in its order.

    Raises ValueError if they are not those of the same layers. A convolution over the whole map is
    a dense layer in the course, so that only the number of weights must be the same.
    """
    for tensor, array in zip(tensors(net), arrays, strict=True):
        if tensor.numel() != array.size or len(tensor) != len(array):
            raise ValueError(f'weights {array.shape} do not fit a layer with {tuple(tensor.shape)}')
        tensor.copy_(torch.from_numpy(array).reshape(tensor.shape))
    return net
