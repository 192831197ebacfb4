"""The loss terms of `d2lvae/losses.py`, one value for each picture of the batch."""

import torch
from torch.nn import functional as F


def summed(values):
    return values.flatten(1).sum(dim=1)


def kl_divergence(mu, log_var):
    return 0.5 * summed(log_var.exp() + mu**2 - 1 - log_var)


def bce_from_logits(logits, X):
    return summed(F.binary_cross_entropy_with_logits(logits, X, reduction='none'))


def l2_from_logits(logits, X):
    return summed((torch.sigmoid(logits) - X) ** 2)


def feature_loss(features, wanted):
    return 0.5 * summed((features - wanted) ** 2)


PBP_LOSSES = {'bce': bce_from_logits, 'l2': l2_from_logits}


def non_saturating_disc(real, fake):
    return F.softplus(-real), F.softplus(fake)


def non_saturating_vae(fake):
    return F.softplus(-fake)


def hinge_disc(real, fake):
    return F.relu(1 - real), F.relu(1 + fake)


def hinge_vae(fake):
    return -fake


def least_squares_disc(real, fake):
    return 0.5 * (real - 1) ** 2, 0.5 * (fake + 1) ** 2


def least_squares_vae(fake):
    return 0.5 * (fake - 1) ** 2


ADVERSARIAL = {
    'non_saturating': (non_saturating_disc, non_saturating_vae),
    'hinge': (hinge_disc, hinge_vae),
    'least_squares': (least_squares_disc, least_squares_vae),
}
