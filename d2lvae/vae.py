"""The variational autoencoder (Kingma and Welling 2014), without its training."""

import mxnet as mx
from d2l import mxnet as d2l

from d2lvae import networks
from d2lvae.losses import PBP_LOSSES, kl_divergence, sigmoid


class VAE(d2l.Module):
    """An encoder, a decoder, and the noise between them, which is always an input.

    Pictures X are (N, C, H, W) in [0, 1]; `pbp_loss` is a name in `PBP_LOSSES`.
    """

    def __init__(self, encoder, decoder, latents, pbp_loss='bce'):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.latents, self.pbp_loss = latents, pbp_loss

    def encode(self, X):
        """The posterior's mean and log-variance, each (N, latents)."""
        return self.encoder(X)

    def sample(self, mu, log_var, eps, F=mx):
        r"""$z = \mu + \sigma \epsilon$ for given noise: the reparameterisation (section 2.4)."""
        return mu + F.np.exp(0.5 * log_var) * eps

    def decode(self, z):
        """Logits (N, C, H, W); the picture is their sigmoid."""
        return self.decoder(z)

    def forward(self, X, eps):
        """Logits of a reconstruction from one sampled z."""
        return self.decode(self.sample(*self.encode(X), eps))

    def kl_and_logits(self, X_in, eps, F=mx):
        """The KL divergence (N,), and the logits (N, C, H, W) of one sampled reconstruction."""
        mu, log_var = self.encode(X_in)
        return kl_divergence(mu, log_var, F), self.decode(self.sample(mu, log_var, eps, F))

    def elbo_terms(self, X, eps, X_in=None, F=mx):
        r"""The two terms of the negative ELBO, (kl, pbp), each (N,), and the logits.

        $$-\mathrm{ELBO} = D_{KL}(q(z|x) \| p(z)) + E_{q(z|x)}[-\log p(x|z)]$$

        Kingma and Welling 2014, equation 3, with one z for each picture. `X_in` is what the
        encoder sees instead of `X`, if its input is noisy (Im et al. 2017).
        """
        kl, logits = self.kl_and_logits(X if X_in is None else X_in, eps, F)
        return kl, PBP_LOSSES[self.pbp_loss](logits, X, F), logits

    def reconstruct(self, X):
        """Pictures decoded from the posterior's mean."""
        return sigmoid(self.decode(self.encode(X)[0]))

    def generate(self, z):
        """Pictures decoded from latents (N, latents)."""
        return sigmoid(self.decode(z))


def make_vae(name, shape, pbp_loss='bce', **sizes):
    """A VAE of `networks.VAES` for pictures of `shape` (C, H, W), of the `sizes` that it knows."""
    encoder, decoder = (networks.make(net, shape, sizes) for net in networks.VAES[name])
    return VAE(encoder, decoder, encoder.latents, pbp_loss)
