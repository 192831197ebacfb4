"""The loss terms, each a function of arrays, one value for each picture of the batch.

Pictures X are float32 in [0, 1] with shape (N, C, H, W). The decoder gives *logits* of that shape,
the picture is X_hat = sigmoid(logits). A discriminator gives one logit for each picture, shape
(N,), high for a picture that it takes for genuine.
"""

from mxnet import np, npx


def softplus(x):
    """log(1 + exp(x)), without overflow."""
    return npx.activation(x, act_type='softrelu')


def kl_divergence(mu, log_var):
    r"""Distance of the posterior from the prior, in nats, shape (N,).

    $$D_{KL}(N(\mu, \sigma^2) \| N(0, 1))
      = \frac{1}{2} \sum_j (\sigma_j^2 + \mu_j^2 - 1 - \log \sigma_j^2)$$

    Kingma and Welling 2014, appendix B; `mu` and `log_var` have shape (N, latents).
    """
    return 0.5 * (np.exp(log_var) + mu**2 - 1 - log_var).sum(axis=1)


def bce_from_logits(logits, X):
    r"""Binary cross-entropy, summed over pixels and channels, in nats, shape (N,).

    $$-\sum_i x_i \log \hat x_i + (1 - x_i) \log (1 - \hat x_i)
      = \sum_i \log(1 + e^{l_i}) - x_i l_i$$

    The negative log-likelihood of binary pixels; for grey pixels a common loss, but no likelihood.
    """
    return (softplus(logits) - X * logits).reshape(len(X), -1).sum(axis=1)


def l2_from_logits(logits, X):
    r"""Squared error, summed over pixels and channels, shape (N,).

    $$\sum_i (x_i - \hat x_i)^2$$

    Up to a constant the negative log-likelihood of pixels with Gaussian noise of variance 1/2.
    """
    return ((npx.sigmoid(logits) - X) ** 2).reshape(len(X), -1).sum(axis=1)


def feature_loss(features, wanted):
    r"""Dis_l: squared error between the discriminator's features of two pictures, shape (N,).

    $$\frac{1}{2} \| D_l(x) - D_l(\hat x) \|^2$$

    Larsen et al. 2016, equation 6: up to a constant the negative log-likelihood of features with
    Gaussian noise of variance 1. Summed over channels and places.
    """
    return 0.5 * ((features - wanted) ** 2).reshape(len(wanted), -1).sum(axis=1)


PBP_LOSSES = {'bce': bce_from_logits, 'l2': l2_from_logits}


def discriminator_loss(real, fake):
    r"""Cross-entropy of the discriminator's logits: its part on real and its part on fake pictures.

    $$-\log D(x) = \log(1 + e^{-d(x)}) \qquad -\log(1 - D(\hat x)) = \log(1 + e^{d(\hat x)})$$

    Goodfellow et al. 2014, equation 1, with D = sigmoid(d); each part has shape (N,).
    """
    return softplus(-real), softplus(fake)


def adversarial_loss(fake):
    r"""What the VAE pays when the discriminator is not deceived, shape (N,).

    $$-\log D(\hat x) = \log(1 + e^{-d(\hat x)})$$

    The non-saturating loss of Goodfellow et al. 2014, section 3: "genuine" as the wrong label.
    """
    return softplus(-fake)
