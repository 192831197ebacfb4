"""The loss terms, each a function of arrays, one value for each picture of the batch.

Pictures X are float32 in [0, 1] with shape (N, C, H, W). The decoder gives *logits* of that shape,
the picture is X_hat = sigmoid(logits). A discriminator gives one logit for each picture, shape
(N,), high for a picture that it takes for genuine: d(x) of a real, d(x_hat) of a fake one.

`F` is where the operators come from, as in Gluon's `hybrid_forward`: MXNet itself for arrays, its
symbols inside a graph (`layers.graph`).
"""

import mxnet as mx


def softplus(x, F=mx):
    """log(1 + exp(x)), without overflow."""
    return F.npx.activation(x, act_type='softrelu')


def sigmoid(x, F=mx):
    """1 / (1 + exp(-x)): the probability of a logit, the picture of a decoder's logits."""
    return F.npx.activation(x, act_type='sigmoid')


def summed(values, F=mx):
    """Sum over all axes but the first, shape (N,)."""
    # A pooling, because MXNet's own sum takes five times as long.
    rows = F.npx.reshape(values, (-2, 1, 1, -1))
    sums = F.npx.pooling(rows, kernel=(1, 1), pool_type='sum', global_pool=True)
    return F.npx.reshape(sums, (-1,))


def kl_divergence(mu, log_var, F=mx):
    r"""Kullback-Leibler divergence of the posterior from the prior, in nats, shape (N,).

    $$D_{KL}(N(\mu, \sigma^2) \| N(0, 1))
      = \frac{1}{2} \sum_j (\sigma_j^2 + \mu_j^2 - 1 - \log \sigma_j^2)$$

    Kingma and Welling 2014, appendix B; `mu` and `log_var` have shape (N, latents).
    """
    return 0.5 * summed(F.np.exp(log_var) + F.np.square(mu) - 1 - log_var, F)


def bce_from_logits(logits, X, F=mx):
    r"""Binary cross-entropy, summed over pixels and channels, in nats, shape (N,).

    $$-\sum_i x_i \log \hat x_i + (1 - x_i) \log (1 - \hat x_i)
      = \sum_i \log(1 + e^{l_i}) - x_i l_i$$

    The negative log-likelihood of binary pixels; for grey pixels a common loss, but no likelihood.
    """
    return summed(softplus(logits, F) - X * logits, F)


def l2_from_logits(logits, X, F=mx):
    r"""Squared error, summed over pixels and channels, shape (N,).

    $$\sum_i (x_i - \hat x_i)^2$$

    Up to a constant the negative log-likelihood of pixels with Gaussian noise of variance 1/2.
    """
    return summed(F.np.square(sigmoid(logits, F) - X), F)


def feature_loss(features, wanted, F=mx):
    r"""Dis_l: squared error between the discriminator's features of two pictures, shape (N,).

    $$\frac{1}{2} \| D_l(x) - D_l(\hat x) \|^2$$

    Larsen et al. 2016, equation 6: up to a constant the negative log-likelihood of features with
    Gaussian noise of variance 1. Summed over channels and places.
    """
    return 0.5 * summed(F.np.square(features - wanted), F)


PBP_LOSSES = {'bce': bce_from_logits, 'l2': l2_from_logits}


def non_saturating_disc(real, fake, F=mx):
    r"""Cross-entropy of the discriminator: its part on real and its part on fake pictures.

    $$-\log D(x) = \log(1 + e^{-d(x)}) \qquad -\log(1 - D(\hat x)) = \log(1 + e^{d(\hat x)})$$

    Goodfellow et al. 2014, equation 1, with D = sigmoid(d).
    """
    return softplus(-real, F), softplus(fake, F)


def non_saturating_vae(fake, F=mx):
    r"""What the VAE pays when the discriminator is not deceived.

    $$-\log D(\hat x) = \log(1 + e^{-d(\hat x)})$$

    Goodfellow et al. 2014, section 3: "genuine" as the wrong label.
    """
    return softplus(-fake, F)


def hinge_disc(real, fake, F=mx):
    r"""$\max(0, 1 - d(x))$ and $\max(0, 1 + d(\hat x))$ (Lim and Ye 2017, equation 9)."""
    return F.npx.relu(1 - real), F.npx.relu(1 + fake)


def hinge_vae(fake, F=mx):
    r"""$-d(\hat x)$ (Lim and Ye 2017, equation 10)."""
    return -fake


def least_squares_disc(real, fake, F=mx):
    r"""$\frac{1}{2} (d(x) - 1)^2$ and $\frac{1}{2} (d(\hat x) + 1)^2$.

    Mao et al. 2017, equation 2, whose labels are free: with 1 and -1 the boundary lies at the logit
    0, as in the other losses.
    """
    return 0.5 * F.np.square(real - 1), 0.5 * F.np.square(fake + 1)


def least_squares_vae(fake, F=mx):
    r"""$\frac{1}{2} (d(\hat x) - 1)^2$ (Mao et al. 2017, equation 2)."""
    return 0.5 * F.np.square(fake - 1)


# Learned losses by name: what the discriminator pays, and what the VAE pays.
ADVERSARIAL = {
    'non_saturating': (non_saturating_disc, non_saturating_vae),
    'hinge': (hinge_disc, hinge_vae),
    'least_squares': (least_squares_disc, least_squares_vae),
}
