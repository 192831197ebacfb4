"""How many multiply-adds a step needs: the rule behind the fraction of the machine's peak.

Counted are the multiply-adds of dense, convolutional and transposed convolutional layers as they
are written, those with padding's zeros too; biases, norms, activations, losses and Adam count
nothing. A layer's forward pass, the gradient of its weights and that of its input cost the same.
A VAE's step has all three, but for the gradient of the picture. The discriminator's update has all
three of a real and of a fake picture, again without the picture's gradient; the adversarial loss
has a forward pass and the gradients of the inputs.
"""

import math

from mxnet import np
from mxnet.gluon import nn

from d2lvae.layers import SpectralConv2D

LAYERS = nn.Dense | nn.Conv2D | nn.Conv2DTranspose | SpectralConv2D


def multiply_adds(net, X):
    """Those of each layer for one picture's forward pass, in the order of the pass.

    `X` holds one picture, or one picture's latents. The net stays without its graph, which would
    hide the layers.
    """
    counted = []

    def count(layer, inputs, output):
        # A convolution puts its weights to every place of the output, a transposed one of the input
        places = inputs[0] if isinstance(layer, nn.Conv2DTranspose) else output
        counted.append(math.prod(layer.weight.shape) * math.prod(places.shape[2:]))

    net.hybridize(False)
    net.apply(lambda layer: isinstance(layer, LAYERS) and layer.register_forward_hook(count))
    net(X)
    return counted


def of_a_step(vae, disc, X):
    """Multiply-adds of one training step for each picture; `disc` None: of a solo step.

    `X` holds one picture.
    """
    encoder = multiply_adds(vae.encoder, X)
    decoder = multiply_adds(vae.decoder, np.zeros((1, vae.latents)))
    total = 3 * sum(encoder + decoder) - encoder[0]
    if disc:
        layers = multiply_adds(disc, X)
        total += 2 * (3 * sum(layers) - layers[0]) + 2 * sum(layers)
    return total
