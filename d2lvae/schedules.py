"""The training's parameters, each declared once, and what follows from them step by step.

The schedules are functions of the parameters `p`, the step (from 0) of the whole run and the
number of steps in an epoch.
"""

import math
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


def phase(p, epoch):
    """'solo' or 'combo'."""
    return 'solo' if epoch < p.solo_epochs else 'combo'


def pbp_weight_at(p, step, num_steps):
    """1 while solo, then `pbp_weight`, decayed by *combo* epochs (the study's: all epochs)."""
    combo_steps = step - p.solo_epochs * num_steps
    if combo_steps < 0:
        return 1.0
    steps_between = max(1, round(p.pbp_decay_every * num_steps))
    return p.pbp_weight * p.pbp_decay ** (combo_steps // steps_between)


def disc_weight_at(p, step, num_steps):
    """0 while solo, then up the ramp to `disc_weight`."""
    combo_steps = step + 1 - p.solo_epochs * num_steps
    ramp_steps = max(1, p.disc_ramp_epochs * num_steps)
    return p.disc_weight * min(1.0, max(0.0, combo_steps / ramp_steps))


def lr_at(p, step, num_steps):
    """The learning rate of both networks."""
    if p.lr_schedule == 'constant':
        return p.lr
    return p.lr * (1 + math.cos(math.pi * step / (p.num_epochs * num_steps))) / 2
