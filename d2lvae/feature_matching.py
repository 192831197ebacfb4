"""Dis_l: what the discriminator sees, in place of the pixels (Larsen et al. 2016)."""

from mxnet import autograd, np

from d2lvae.losses import feature_loss, kl_divergence, sigmoid
from d2lvae.schedules import pbp_weight_at
from d2lvae.training import Trainer, gradient

PRIOR_NOISE = 1  # the random stream of the prior's latents


class FeatureMatchingTrainer(Trainer):
    """A trainer whose combo steps compare pictures by the discriminator's features.

    The adversarial gradient moves the decoder, but not the encoder; Dis_l moves both, but not the
    discriminator; decoded samples of the prior are judged beside the reconstructions (Larsen et al.
    2016, section 2.3 and algorithm 1). The pixels keep `pbp_weight`, which may be 0.
    """

    def prepare(self, model, data, disc=None):
        super().prepare(model, data, disc)
        if disc is not None:
            self.features = disc.net[: disc.middle]
            self.features.hybridize(static_alloc=True)

    def combo_step(self, X, eps, X_in):
        """As `Trainer.combo_step`, but the VAE's graph is cut at the latents, too."""
        with autograd.record():
            mu, log_var = self.model.encode(X_in)
            kl, z = kl_divergence(mu, log_var), self.model.sample(mu, log_var, eps)
        latents = np.concatenate([z.detach(), self.prior_noise(eps.shape)])
        latents.attach_grad()
        with autograd.record():
            logits = self.model.decode(latents)
        terms = self.disc_step(X.detach(), sigmoid(logits.detach()))
        likeness, likeness_terms = self.likeness(logits[: len(X)], X.detach())
        adversarial_grad, adversarial = self.adversarial_gradient(logits)
        norms = self.norm_graph(likeness), self.norm_graph(adversarial_grad)
        terms['grad_norm_adversarial'] = norms[1]
        disc_weight = self.weighted(terms, *norms)
        logits_grad = np.concatenate([likeness, np.zeros_like(likeness)])
        [z_grad] = autograd.grad([logits], [latents], head_grads=[logits_grad], retain_graph=True)
        autograd.backward([logits], [logits_grad + disc_weight * adversarial_grad])
        z_grad = z_grad.as_np_ndarray()[: len(X)]
        autograd.backward([kl, z], [np.full_like(kl, self.p.kl_weight), z_grad])
        self.vae_optim.step(len(X))
        return {'kl': kl.mean(), **likeness_terms, 'adversarial': adversarial.mean(), **terms}

    def prior_noise(self, shape):
        """Latents of the prior for this step, apart from the noise of its posteriors."""
        rng = self.rng(self.step, PRIOR_NOISE)
        return np.array(rng.standard_normal(shape, dtype='float32'))

    def likeness(self, logits, X):
        """Gradient, with respect to the logits, of Dis_l and PBP loss, weighted; and their terms.

        Batch norm is that of the batch, as in every pass through the discriminator.
        """
        with autograd.train_mode():
            wanted = self.features(X)
        dis_l_grad, dis_l = gradient(
            lambda y: feature_loss(self.features(sigmoid(y)), wanted), logits
        )
        pbp_grad, pbp = gradient(self.pbp_graph, logits, X)
        pbp_weight = pbp_weight_at(self.p, self.step, self.num_steps)
        return self.p.dis_l_weight * dis_l_grad + pbp_weight * pbp_grad, {
            'pbp': pbp.mean(),
            'dis_l': dis_l.mean(),
            'grad_norm_pbp': self.norm_graph(pbp_grad),
        }
