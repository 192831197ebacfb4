"""The parameters of an experiment beside those of its training: pictures, and networks."""

from typing import Literal

from d2lvae.base.parameters import Parameters, parameter


class Pictures(Parameters):
    """What is trained on."""

    dataset: str = parameter('mnist', 'mnist, avatars, anime, or a path of faces', min_length=1)
    num_train: int = parameter(0, 'training pictures; 0: all', ge=0)
    num_held_out: int = parameter(0, 'held-out pictures; 0: all', ge=0)
    image_size: Literal[32, 64, 128] = parameter(64, 'pixels of a side', 'faces')


class Networks(Parameters):
    """What is trained; the sizes that the chosen networks don't take do not matter."""

    vae: str = parameter('DenseVAE', 'encoder and decoder, by their name in networks.VAES')
    latents: int = parameter(5, 'numbers that a picture is squeezed into', ge=1)
    hidden_layers: int = parameter(3, 'of a DenseVAE, on either side', ge=1)
    hidden_nodes: int = parameter(400, 'of each hidden layer of a DenseVAE', ge=1)
    base_channels: int = parameter(32, "of a ConvVAE's first convolution", ge=1)
    upsampling: Literal['resize', 'transposed'] = parameter(
        'resize', 'how the decoder of a ConvVAE doubles the side'
    )
    pbp_loss: Literal['bce', 'l2'] = parameter(
        'bce', 'the pixel-by-pixel loss: bce (cross-entropy) or l2 (squared error)'
    )
    discriminator: str | None = parameter(None, 'by its name in networks.DISCRIMINATORS', 'disc')
    disc_layers: int = parameter(1, 'hidden layers of DenseLogReg', ge=1)
    disc_nodes: int = parameter(200, 'of each hidden layer of DenseLogReg', ge=1)
    disc_channels: int = parameter(32, "of a convolutional discriminator's first layer", ge=1)
    disc_norm: Literal['batch', 'spectral', 'none'] = parameter('batch', 'norm in a ConvDisc')
