"""A worker that trains the same networks with the same losses and updates, written in PyTorch.

`python theirs.py PARAMETERS STEPS VARIANT`, parameters as JSON. It runs in an environment of its
own. The variants are `eager`, `channels_last`, `compile`, and `bfloat16` (autocast); all of them
use PyTorch's fused Adam, and flush denormals to zero as `d2lvae` does.
"""

import json
import sys

import theirs_networks as networks
import torch
from cases import shape
from torch.nn import functional as F
from worker import answer


class Training:
    """The step of `d2lvae.training.Trainer`, plainly: one pass through the VAE for all terms."""

    def __init__(self, parameters, steps, variant):
        self.p, self.shape, self.variant = parameters, shape(parameters), variant
        self.vae, self.disc = self.networks()
        self.vae_optim = torch.optim.Adam(self.vae.parameters(), lr=1e-3, fused=True)
        if self.disc:
            self.disc_optim = torch.optim.Adam(self.disc.parameters(), lr=1e-3, fused=True)
        size = (steps * parameters['batch_size'], *self.shape)
        self.pictures = torch.randint(256, size, dtype=torch.uint8)
        if variant == 'compile':
            for name in ('elbo', 'disc_loss', 'adversarial_loss'):
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
        if self.variant == 'channels_last':
            vae = vae.to(memory_format=torch.channels_last)
            disc = disc and disc.to(memory_format=torch.channels_last)
        return vae, disc

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
        accuracy = ((real > 0).float().mean() + (fake <= 0).float().mean()) / 2
        return F.softplus(-real).mean() + F.softplus(fake).mean(), accuracy

    def adversarial_loss(self, logits):
        return F.softplus(-self.disc(torch.sigmoid(logits))).mean()

    def step(self, X):
        eps = torch.randn(len(X), self.p['latents'])
        kl, pbp, logits = self.elbo(X, eps)
        loss = kl + pbp
        if self.disc:
            disc_loss, _ = self.disc_loss(X, torch.sigmoid(logits.detach()))
            self.disc_optim.zero_grad()
            disc_loss.backward()
            self.disc_optim.step()
            self.disc.requires_grad_(False)
            loss = loss + self.adversarial_loss(logits)
        self.vae_optim.zero_grad()
        loss.backward()
        self.vae_optim.step()
        if self.disc:
            self.disc.requires_grad_(True)
        return loss.detach()

    def epoch(self):
        total = 0.0
        for chosen in torch.randperm(len(self.pictures)).split(self.p['batch_size']):
            X = self.pictures[chosen].float() / 255
            if self.variant == 'channels_last':
                X = X.contiguous(memory_format=torch.channels_last)
            with torch.autocast('cpu', enabled=self.variant == 'bfloat16'):
                total = total + self.step(X)
        return total.item()


if __name__ == '__main__':
    parameters, steps = json.loads(sys.argv[1]), int(sys.argv[2])
    torch.set_flush_denormal(True)
    training = Training(parameters, steps, sys.argv[3])
    answer(training.epoch, len(training.pictures))
