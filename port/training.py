"""The steps of `d2lvae/training.py`: one pass through the VAE, gradients meet at its logits."""

import torch

from port import named, networks
from port.losses import ADVERSARIAL, PBP_LOSSES, kl_divergence, summed
from port.noise import moved

MAX_RATIO = 1e4
SMOOTHING = 0.99


class Trainer:
    """Trains a VAE, and a discriminator against it, with Adam.

    Parameters
    ----------
    p : namespace
        The parameters of the course's `Experiment`.
    vae, disc : Module
        On their device; `disc` may be None.
    """

    COMPILED = ('kl_and_logits', 'pbp_loss', 'disc_terms', 'adversarial_term')

    def __init__(self, p, vae, disc=None):
        self.p, self.vae, self.disc = p, vae, disc
        self.pbp_loss = PBP_LOSSES[p.pbp_loss]
        self.vae_optim = adam(vae, p)
        self.ratio = torch.full((), -1.0, device=next(vae.parameters()).device)  # none so far
        if disc:
            self.disc_optim = adam(disc, p)
            pair = named(ADVERSARIAL, p.adversarial_loss, 'port.losses.ADVERSARIAL')
            self.disc_loss, self.vae_loss = pair
            self.separate = networks.has_batch_norm(disc)

    def compile(self):
        """Fuse the kernels of the losses and networks (`torch.compile`)."""
        for name in self.COMPILED:
            setattr(self, name, torch.compile(getattr(self, name)))

    @property
    def optimisers(self):
        return [self.vae_optim, self.disc_optim] if self.disc else [self.vae_optim]

    def set_lr(self, lr):
        for optimiser in self.optimisers:
            [group] = optimiser.param_groups
            if torch.is_tensor(group['lr']):  # where a CUDA graph reads it
                group['lr'].fill_(lr)
            else:
                group['lr'] = lr

    # Steps, each of pictures X, what the encoder sees of them, and the draws of `noise.draws`

    def solo_step(self, X, X_in, draws, warmup=False):
        kl, logits = self.kl_and_logits(X_in, draws['eps'])
        pbp = self.pbp_loss(logits, X)
        self.update(self.vae_optim, (self.p.kl_weight * kl + draws['pbp_weight'] * pbp).mean())
        terms = {'kl': kl.mean(), 'pbp': pbp.mean()}
        return terms | self.disc_step(X, logits, draws) if warmup else terms

    def combo_step(self, X, X_in, draws):
        kl, logits = self.kl_and_logits(X_in, draws['eps'])
        terms = self.disc_step(X, logits, draws)
        pbp_grad, pbp = gradient(self.pbp_loss, logits, X)
        adversarial_grad, adversarial = self.adversarial_gradient(logits, draws)
        norms = norm(pbp_grad), norm(adversarial_grad)
        disc_weight = self.weighted(draws['disc_weight'], norms, terms)
        logits_grad = draws['pbp_weight'] * pbp_grad + disc_weight * adversarial_grad
        heads = [None, logits_grad / len(X)]
        self.update(self.vae_optim, [self.p.kl_weight * kl.mean(), logits], heads)
        return {
            'kl': kl.mean(),
            'pbp': pbp.mean(),
            'adversarial': adversarial.mean(),
            **terms,
            'grad_norm_pbp': norms[0],
            'grad_norm_adversarial': norms[1],
        }

    def disc_step(self, X, logits, draws):
        networks.power_iteration(self.disc)
        X_hat = torch.sigmoid(logits.detach())
        disc_real, disc_fake, accuracy = self.disc_terms(moved(X, draws), moved(X_hat, draws))
        self.update(self.disc_optim, disc_real + disc_fake)
        return {'disc_real': disc_real, 'disc_fake': disc_fake, 'disc_accuracy': accuracy}

    def update(self, optimiser, losses, gradients=None):
        optimiser.zero_grad()
        torch.autograd.backward(losses, gradients)
        optimiser.step()

    # Their parts

    def kl_and_logits(self, X_in, eps):
        mu, log_var = self.vae.encode(X_in)
        return kl_divergence(mu, log_var), self.vae.decode(self.vae.sample(mu, log_var, eps))

    def disc_logits(self, X, X_hat):
        if self.separate:
            return self.disc(X), self.disc(X_hat)
        return self.disc(torch.cat([X, X_hat])).split([len(X), len(X_hat)])

    def disc_terms(self, X, X_hat):
        real, fake = self.disc_logits(X, X_hat)
        disc_real, disc_fake = self.disc_loss(real, fake)
        accuracy = ((real > 0).float().mean() + (fake <= 0).float().mean()) / 2
        return disc_real.mean(), disc_fake.mean(), accuracy

    def adversarial_term(self, logits):
        return self.vae_loss(self.disc(torch.sigmoid(logits)))

    def adversarial_gradient(self, logits, draws):
        """That of the logits alone, and the loss: the discriminator's weights get none."""
        self.disc.requires_grad_(False)
        found = gradient(lambda y: self.adversarial_term(moved(y, draws)), logits)
        self.disc.requires_grad_(True)
        return found

    def weighted(self, disc_weight, norms, terms):
        """The disc weight, if it is adaptive times the smoothed ratio of the two gradients."""
        if self.p.disc_weighting == 'adaptive':
            ratio = (norms[0] / (norms[1] + 1e-6)).clamp(0, MAX_RATIO)
            smoothed = SMOOTHING * self.ratio + (1 - SMOOTHING) * ratio
            self.ratio.copy_(torch.where(self.ratio < 0, ratio, smoothed))
            disc_weight = terms['disc_weight'] = disc_weight * self.ratio
        return disc_weight


def adam(net, p):
    """PyTorch adds its epsilon after the correction for the start, MXNet before it."""
    parameters = list(net.parameters())
    cuda = parameters[0].is_cuda
    lr = torch.tensor(p.lr, device=parameters[0].device) if cuda else p.lr
    return torch.optim.Adam(parameters, lr, (p.beta1, 0.999), fused=True, capturable=cuda)


def gradient(loss, logits, *others):
    """Gradient of a loss (N,) with respect to the logits alone, and the loss."""
    y = logits.detach().requires_grad_()
    value = loss(y, *others)
    [found] = torch.autograd.grad(value.sum(), y)
    return found, value.detach()


def norm(gradient):
    return summed(gradient**2).sqrt().mean()
