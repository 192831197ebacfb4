"""Dis_l, as in `d2lvae/feature_matching.py`."""

import torch

from port.losses import feature_loss, kl_divergence
from port.training import Trainer, gradient, norm


class FeatureMatchingTrainer(Trainer):
    """Compares pictures by the discriminator's features, and judges decoded samples too."""

    def combo_step(self, X, X_in, draws):
        mu, log_var = self.vae.encode(X_in)
        kl, z = kl_divergence(mu, log_var), self.vae.sample(mu, log_var, draws['eps'])
        latents = torch.cat([z.detach(), draws['prior_eps']]).requires_grad_()
        logits = self.vae.decode(latents)
        terms = self.disc_step(X, logits, draws)
        likeness, likeness_terms = self.likeness(logits[: len(X)], X, draws['pbp_weight'])
        adversarial_grad, adversarial = self.adversarial_gradient(logits, draws)
        terms['grad_norm_adversarial'] = norm(adversarial_grad)
        norms = norm(likeness), terms['grad_norm_adversarial']
        disc_weight = self.weighted(draws['disc_weight'], norms, terms)
        logits_grad = torch.cat([likeness, torch.zeros_like(likeness)])
        [z_grad] = torch.autograd.grad(logits, latents, logits_grad, retain_graph=True)
        logits_grad = logits_grad + disc_weight * adversarial_grad
        self.update(
            self.vae_optim,
            [logits, self.p.kl_weight * kl.mean(), z],
            [logits_grad / len(X), None, z_grad[: len(X)] / len(X)],
        )
        return {'kl': kl.mean(), **likeness_terms, 'adversarial': adversarial.mean(), **terms}

    def likeness(self, logits, X, pbp_weight):
        """Gradient of Dis_l and PBP loss, weighted, with respect to the logits; and their terms."""
        features = self.disc.features
        self.disc.requires_grad_(False)
        wanted = features(X)
        dis_l_grad, dis_l = gradient(
            lambda y: feature_loss(features(torch.sigmoid(y)), wanted), logits
        )
        self.disc.requires_grad_(True)
        pbp_grad, pbp = gradient(self.pbp_loss, logits, X)
        return self.p.dis_l_weight * dis_l_grad + pbp_weight * pbp_grad, {
            'pbp': pbp.mean(),
            'dis_l': dis_l.mean(),
            'grad_norm_pbp': norm(pbp_grad),
        }
