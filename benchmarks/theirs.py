"""A worker that trains the same networks with the same losses and updates, written in PyTorch.

`python theirs.py PARAMETERS STEPS VARIANT`, as `ours.py`, in an environment of its own. VARIANT is
`eager`, `channels_last` or `compile`, and `+bfloat16` after it turns autocast on. All of them use
PyTorch's fused Adam, and flush denormals to zero as `d2lvae` does.
"""

import json
import sys

import theirs_networks as networks
import torch
from cases import shape
from torch.nn import functional as F
from worker import answer

COMPILED = ('elbo', 'disc_loss', 'adversarial_loss')


class Training:
    """The step of `d2lvae.training.Trainer`, plainly: one pass through the VAE for all terms."""

    def __init__(self, parameters, steps, variant):
        self.p, self.shape = parameters, shape(parameters)
        layout, _, precision = variant.partition('+')
        self.layout = torch.contiguous_format
        if layout == 'channels_last':
            self.layout = torch.channels_last
        self.autocast = torch.autocast('cpu', torch.bfloat16, enabled=precision == 'bfloat16')
        self.vae, self.disc = self.networks()
        self.vae_optim = torch.optim.Adam(self.vae.parameters(), lr=1e-3, fused=True)
        if self.disc:
            self.disc_optim = torch.optim.Adam(self.disc.parameters(), lr=1e-3, fused=True)
        self.pictures = torch.randint(
            256, (steps * parameters['batch_size'], *self.shape), dtype=torch.uint8
        )
        if layout == 'compile':
            for name in COMPILED:
                setattr(self, name, torch.compile(getattr(self, name)))

    def networks(self):
        p, disc = self.p, None
        if p['vae'] == 'DenseVAE':
            sizes = p['latents'], p['hidden_layers'], p['hidden_nodes']
            vae = networks.dense_vae(self.shape, *sizes)
        else:
            vae = networks.conv_vae(self.shape, p['latents'], p['base_channels'])
        match p.get('discriminator'):
            case 'DenseLogReg':
                disc = networks.dense_log_reg(self.shape, p['disc_layers'], p['disc_nodes'])
            case 'ConvDisc':
                disc = networks.conv_disc(self.shape, p['disc_channels'])
            case 'ResNet':
                disc = networks.resnet(self.shape, p['disc_channels'])
        return vae.to(memory_format=self.layout), disc and disc.to(memory_format=self.layout)

    def elbo(self, X, eps):
        logits, mu, log_var = self.vae(X, eps)
        kl = 0.5 * (log_var.exp() + mu**2 - 1 - log_var).sum(dim=1)
        pbp = F.binary_cross_entropy_with_logits(logits, X, reduction='none')
        return kl.mean(), pbp.flatten(1).sum(dim=1).mean(), logits

    def disc_loss(self, X, X_hat):
        if self.p['discriminator'] == 'DenseLogReg':  # without batch norm: in one pass, as we do
            real, fake = self.disc(torch.cat([X, X_hat])).chunk(2)
        else:
            real, fake = self.disc(X), self.disc(X_hat)
        return F.softplus(-real).mean() + F.softplus(fake).mean()

    def adversarial_loss(self, logits):
        return F.softplus(-self.disc(torch.sigmoid(logits))).mean()

    def step(self, X, eps):
        """One update of each network; its loss terms by name."""
        with self.autocast:
            kl, pbp, logits = self.elbo(X, eps)
        terms = {'kl': kl, 'pbp': pbp}
        if self.disc:
            terms['disc'] = self.disc_step(X, torch.sigmoid(logits.detach()))
            self.disc.requires_grad_(False)
            with self.autocast:
                terms['adversarial'] = self.adversarial_loss(logits)
            self.disc.requires_grad_(True)
        self.vae_optim.zero_grad()
        sum(terms[name] for name in ('kl', 'pbp', 'adversarial') if name in terms).backward()
        self.vae_optim.step()
        return {name: term.detach() for name, term in terms.items()}

    def disc_step(self, X, X_hat):
        with self.autocast:
            loss = self.disc_loss(X, X_hat)
        self.disc_optim.zero_grad()
        loss.backward()
        self.disc_optim.step()
        return loss

    def epoch(self):
        """One pass over the pictures; the means of the loss terms."""
        batches = torch.randperm(len(self.pictures)).split(self.p['batch_size'])
        totals = 0.0
        for chosen in batches:
            X = (self.pictures[chosen].float() / 255).contiguous(memory_format=self.layout)
            terms = self.step(X, torch.randn(len(X), self.p['latents']))
            totals = totals + torch.stack(list(terms.values()))
        return (totals / len(batches)).tolist()


if __name__ == '__main__':
    parameters, steps = json.loads(sys.argv[1]), int(sys.argv[2])
    torch.set_flush_denormal(True)  # before the other threads start, which inherit it
    training = Training(parameters, steps, sys.argv[3])
    answer(training.epoch, len(training.pictures))
