"""A worker with the networks and losses of `port/`: `python pytorch.py TASK ...`, as `ours.py`.

`train PARAMETERS STEPS VARIANT`, where VARIANT is `eager`, `channels_last` or `compile`, and
`+bfloat16` after it turns autocast on. All of them use PyTorch's fused Adam, and flush denormals to
zero as `d2lvae` does. `product SIDE`, `losses`.
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import torch
from cases import CASES, shape
from fixed import NUM, batches, weights
from worker import answer, say

sys.path.append(str(Path(__file__).resolve().parents[1]))
from port import networks
from port.training import Trainer

COMPILED = ('elbo', 'disc_sum', 'adversarial_mean')


class Training(Trainer):
    """The port's trainer, with the plainest step: the sum of the losses, and no more to know."""

    def __init__(self, parameters, steps, variant):
        p, self.shape = SimpleNamespace(**parameters), shape(parameters)
        kind, _, precision = variant.partition('+')
        self.layout = torch.channels_last if kind == 'channels_last' else torch.contiguous_format
        self.autocast = torch.autocast('cpu', torch.bfloat16, enabled=precision == 'bfloat16')
        nets = [networks.make_vae(p, self.shape)]
        if 'discriminator' in parameters:
            nets.append(networks.make_disc(p, self.shape))
        super().__init__(p, *(net.to(memory_format=self.layout) for net in nets))
        size = (steps * p.batch_size, *self.shape)
        self.pictures = torch.randint(256, size, dtype=torch.uint8)
        if kind == 'compile':
            for name in COMPILED:
                setattr(self, name, torch.compile(getattr(self, name)))

    def elbo(self, X, eps):
        kl, logits = self.kl_and_logits(X, eps)
        return kl.mean(), self.pbp_loss(logits, X).mean(), logits

    def disc_sum(self, X, X_hat):
        real, fake = self.disc_loss(*self.disc_logits(X, X_hat))
        return real.mean() + fake.mean()

    def adversarial_mean(self, logits):
        return self.adversarial_term(logits).mean()

    def step(self, X, eps):
        """One update of each network; its loss terms by name."""
        with self.autocast:
            kl, pbp, logits = self.elbo(X, eps)
        terms = {'kl': kl, 'pbp': pbp}
        if self.disc:
            with self.autocast:
                terms['disc'] = self.disc_sum(X, torch.sigmoid(logits.detach()))
            self.update(self.disc_optim, terms['disc'])
            self.disc.requires_grad_(False)
            with self.autocast:
                terms['adversarial'] = self.adversarial_mean(logits)
            self.disc.requires_grad_(True)
        losses = [terms[name] for name in ('kl', 'pbp', 'adversarial') if name in terms]
        self.update(self.vae_optim, sum(losses))
        return {name: term.detach() for name, term in terms.items()}

    def epoch(self):
        """One pass over the pictures; the means of the loss terms."""
        chosen = torch.randperm(len(self.pictures)).split(self.p.batch_size)
        totals = 0.0
        for batch in chosen:
            X = (self.pictures[batch].float() / 255).contiguous(memory_format=self.layout)
            terms = self.step(X, torch.randn(len(X), self.p.latents))
            totals = totals + torch.stack(list(terms.values()))
        return (totals / len(chosen)).tolist()


def train(parameters, steps, variant):
    torch.set_flush_denormal(True)  # before the other threads start, which inherit it
    training = Training(json.loads(parameters), int(steps), variant)
    answer(training.epoch, len(training.pictures))


def product(side):
    side = int(side)
    A, B = torch.rand(2, side, side)
    answer(lambda: A @ B, side**3)


def losses():
    found = {name: first_losses(parameters) for name, parameters in CASES.items()}
    say({'version': torch.__version__, 'threads': torch.get_num_threads(), 'cases': found})


def first_losses(parameters):
    """Number of each network's parameters, and each step's losses, by name."""
    training = Training(parameters | {'batch_size': NUM}, 1, 'eager')
    nets = [net for net in (training.vae, training.disc) if net]
    sizes, found = [fill(net) for net in nets], []
    for X, eps in batches(shape(parameters), parameters['latents']):
        terms = training.step(torch.from_numpy(X), torch.from_numpy(eps))
        found.append({name: value.item() for name, value in terms.items()})
    return {'parameters': sizes, 'losses': found}


def fill(net):
    """Give every parameter its fixed values; how many numbers these are."""
    parameters = list(net.parameters())
    with torch.no_grad():
        for parameter, values in zip(parameters, weights([p.shape for p in parameters])):
            parameter.copy_(torch.from_numpy(values))
    return sum(p.numel() for p in parameters)


if __name__ == '__main__':
    task, *arguments = sys.argv[1:]
    {'train': train, 'product': product, 'losses': losses}[task](*arguments)
