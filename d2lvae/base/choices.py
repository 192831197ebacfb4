"""The parameters of a run, each declared once: its training, its networks, its pictures."""

from typing import Literal

from d2lvae.base.parameters import Parameters, parameter


class TrainingParameters(Parameters):
    """Everything that a `training.Trainer` can be told; D is the discriminator."""

    num_epochs: int = parameter(50, 'passes over the training pictures, solo and combo', ge=1)
    solo_epochs: int = parameter(0, 'of these the first, which train the VAE alone', 'combo', ge=0)
    batch_size: int = parameter(64, 'pictures in one step', ge=1)
    lr: float = parameter(1e-3, 'learning rate of Adam, of both networks', gt=0, le=1)
    lr_schedule: Literal['constant', 'cosine'] = parameter(
        'constant', 'of lr; cosine: it falls to 0 over the run (Loshchilov and Hutter 2017)'
    )
    beta1: float = parameter(0.9, "Adam's decay of the mean gradient", ge=0, lt=1)
    binarise_input: bool = parameter(False, 'the encoder sees draws of Bernoulli(pixel)', 'digits')
    augment: float = parameter(0.0, 'pixels, sd of random shifts, turns and zooms', ge=0, le=4)
    flip: bool = parameter(False, 'mirror each training picture with probability 1/2', 'faces')
    kl_weight: float = parameter(1.0, 'of the KL divergence: beta (Higgins et al. 2017)', ge=0)
    disc_weight: float = parameter(1.0, 'of the adversarial loss; 0 trains no D', 'combo', ge=0)
    pbp_weight: float = parameter(1.0, 'of the PBP loss in combo epochs', 'combo', ge=0)
    pbp_decay: float = parameter(1.0, 'what pbp_weight is multiplied by', 'combo', gt=0, le=1)
    pbp_decay_every: float = parameter(25.0, 'combo epochs between two decays', 'combo', gt=0)
    adversarial_loss: str = parameter('non_saturating', 'a name in losses.ADVERSARIAL', 'disc')
    disc_weighting: Literal['fixed', 'adaptive'] = parameter(
        'fixed', 'adaptive: disc_weight times the ratio of gradients (Esser et al. 2021)', 'disc'
    )
    disc_warmup_epochs: int = parameter(0, 'the last solo epochs, which train D too', 'disc', ge=0)
    disc_ramp_epochs: float = parameter(
        0.0, 'the first combo epochs, in which disc_weight rises from 0', 'disc', ge=0
    )
    disc_shift: int = parameter(0, 'greatest shift of what D sees, in pixels', 'disc', ge=0, le=16)
    dis_l_weight: float = parameter(0.0, 'of Dis_l (Larsen et al. 2016)', 'disc', ge=0)
    frozen_weight: float = parameter(0.0, 'of a frozen net in place of D', 'combo', ge=0)

    @property
    def trains_disc(self):
        """Whether anything in the run depends on a discriminator."""
        return self.disc_weight > 0 or self.dis_l_weight > 0

    @property
    def common_epochs(self):
        """The first epochs, in which nothing about the discriminator matters."""
        return max(0, self.solo_epochs - self.disc_warmup_epochs)


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
