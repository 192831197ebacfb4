"""The networks of `d2lvae/networks.py`, layer by layer, in PyTorch."""

import math

import torch
from torch import nn

SMALLEST, LEAK = 4, 0.2


def dense_layers(num_inputs, num_layers, num_nodes, num_outputs):
    layers = []
    for _ in range(num_layers):
        layers += [nn.Linear(num_inputs, num_nodes), nn.ReLU()]
        num_inputs = num_nodes
    return [*layers, nn.Linear(num_inputs, num_outputs)]


def doubled(first, num):
    return [first * 2**i for i in range(num)]


def conv_layers(in_channels, channels, norm=True):
    yield nn.Conv2d(in_channels, channels, 4, 2, 1)
    if norm:
        yield nn.BatchNorm2d(channels)
    yield nn.LeakyReLU(LEAK)


class VAE(nn.Module):
    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, X, eps):
        mu, log_var = self.encoder(X).chunk(2, dim=1)
        return self.decoder(mu + torch.exp(0.5 * log_var) * eps), mu, log_var


def dense_vae(shape, latents, hidden_layers, hidden_nodes):
    sizes = (hidden_layers, hidden_nodes)
    encoder = dense_layers(math.prod(shape), *sizes, 2 * latents)
    decoder = dense_layers(latents, *sizes, math.prod(shape))
    return VAE(
        nn.Sequential(nn.Flatten(), *encoder), nn.Sequential(*decoder, nn.Unflatten(1, shape))
    )


def conv_vae(shape, latents, base_channels):
    channels = doubled(base_channels, int(math.log2(shape[1] // SMALLEST)))
    encoder, decoder, inputs = [], [], shape[0]
    for outputs in channels:
        encoder += conv_layers(inputs, outputs)
        inputs = outputs
    size = inputs * SMALLEST**2
    encoder += [nn.Flatten(), nn.Linear(size, 2 * latents)]
    decoder = [nn.Linear(latents, size), nn.Unflatten(1, (inputs, SMALLEST, SMALLEST))]
    for outputs in [*channels[-2::-1], shape[0]]:
        decoder += [nn.BatchNorm2d(inputs), nn.ReLU()]
        decoder += [nn.ConvTranspose2d(inputs, outputs, 3, 2), nn.AvgPool2d(2, 1)]
        inputs = outputs
    return VAE(nn.Sequential(*encoder), nn.Sequential(*decoder))


def dense_log_reg(shape, hidden_layers, hidden_nodes):
    layers = dense_layers(math.prod(shape), hidden_layers, hidden_nodes, 1)
    return nn.Sequential(nn.Flatten(), *layers, nn.Flatten(0))


def conv_disc(shape, base_channels):
    layers, inputs = [], shape[0]
    for i, outputs in enumerate(doubled(base_channels, 3)):
        layers += conv_layers(inputs, outputs, norm=i > 0)
        inputs = outputs
    return nn.Sequential(*layers, nn.Conv2d(inputs, 1, shape[1] // 8), nn.Flatten(0))


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


def resnet(shape, base_channels):
    layers = [
        nn.Conv2d(shape[0], base_channels, 7, 2, 3, bias=False),
        nn.BatchNorm2d(base_channels),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]
    inputs = base_channels
    for stage, outputs in enumerate(doubled(base_channels, 4)):
        layers += [Residual(inputs, outputs, 2 if stage else 1), Residual(outputs, outputs)]
        inputs = outputs
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 1), nn.Flatten(0)
    )
