"""Encoders, decoders and discriminators: Gluon blocks that return logits and know no loss."""

import math

from mxnet.gluon import nn


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
    """Discriminator: a logistic regression on hidden layers; pictures to one logit each, (N,)."""

    def __init__(self, shape, hidden_layers, hidden_nodes):
        super().__init__()
        self.net = dense_layers(math.prod(shape), hidden_layers, hidden_nodes, 1)

    def hybrid_forward(self, F, X):
        return F.np.reshape(self.net(X), (-1,))
