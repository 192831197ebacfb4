"""A seed of a run: it trains, goes on after a kill, and leaves pictures for the metrics."""

import contextlib
import csv
import functools
import math
import os
import time

import numpy as np
import torch

from port import PortError, noise
from port.feature_matching import FeatureMatchingTrainer
from port.graph import Graphed
from port.losses import kl_divergence
from port.networks import fill, make_disc, make_vae, with_nonnegative_latents
from port.training import Trainer

SHOWN = ('kl', 'pbp', 'adversarial', 'disc_accuracy')  # beside the progress
WEIGHTS = ('pbp_weight', 'disc_weight')
SAVING = 1 / 20  # of the time goes into checkpoints at most, but for the first and the last one
BATCH = 250  # pictures that pass the networks at once
POSTERIOR, PRIOR = (0, 0), (0, 1)  # the generators of `d2lvae.metrics`


class Run:
    """One seed.

    Parameters
    ----------
    start : Start
    folder : Path
        Holds `checkpoint.pt`, and in the end `epochs.csv` and `pictures.npz`.
    scrambled, nonnegative : bool
        The networks see the study's scrambled faces; its latents.
    device : torch.device
    fused : bool
        By `torch.compile`.
    """

    def __init__(self, start, seed, folder, scrambled, nonnegative, device, fused=False):
        self.start, self.seed, self.folder, self.device = start, seed, folder, device
        self.p, self.scrambled = start.parameters, scrambled
        self.num_steps = len(start.train) // self.p.batch_size
        self.cuda = device.type == 'cuda'
        self.layout = torch.channels_last if self.cuda else torch.contiguous_format
        self.trainer = self.new_trainer(nonnegative)
        if fused:
            self.trainer.compile()
        self.images = torch.from_numpy(start.train).to(device)
        self.on_stream = contextlib.nullcontext
        if self.cuda:  # of its own, so that several seeds overlap
            self.on_stream = functools.partial(torch.cuda.stream, torch.cuda.Stream())
        self.steps, self.names = {}, {}
        self.saved, self.saving = time.perf_counter(), 0.0
        self.rows = self.restore()
        if self.cuda:
            torch.cuda.synchronize()

    def new_trainer(self, nonnegative):
        shape = self.start.train.shape[1:]
        nets = [fill(make_vae(self.p, shape), self.start.weights(self.seed, 'vae'))]
        if nonnegative:
            with_nonnegative_latents(nets[0], self.p.latents)
        if weights := self.start.weights(self.seed, 'disc'):
            nets.append(fill(make_disc(self.p, shape), weights))
        nets = [net.to(self.device, memory_format=self.layout) for net in nets]
        return (FeatureMatchingTrainer if self.p.dis_l_weight else Trainer)(self.p, *nets)

    # Training

    def train(self, progress):
        """Train to the end; a generator that pauses after every step, so that seeds take turns."""
        progress.update(len(self.rows) * self.num_steps)
        draws, lr = self.draws(len(self.rows)), self.start.schedule['lr']
        for epoch in range(len(self.rows), self.p.num_epochs):
            began, step, totals = time.perf_counter(), self.step(epoch, draws), 0.0
            with self.on_stream():
                draws = {name: torch.from_numpy(a).to(self.device) for name, a in draws.items()}
            for i in range(self.num_steps):
                with self.on_stream():
                    self.trainer.set_lr(float(lr[epoch * self.num_steps + i]))
                    totals = totals + step({name: values[i] for name, values in draws.items()})
                progress.update()
                yield
            draws = self.draws(epoch + 1)  # while a GPU still works off its queue
            with self.on_stream():  # where alone its numbers are waited for
                totals = totals.tolist()
            self.rows.append(self.row(epoch, totals, began))
            shown = {name: self.rows[-1].get(name) for name in SHOWN}
            progress.set_postfix({n: f'{x:.4g}' for n, x in shown.items() if x is not None})
            if time.perf_counter() - self.saved > self.saving / SAVING:
                self.save()
        self.save()
        self.write()

    def draws(self, epoch):
        """Noise and weights of an epoch, an entry for each of its steps; {} after the last one."""
        if epoch == self.p.num_epochs:
            return {}
        num, shape = len(self.start.train), self.start.train.shape[1:]
        steps = slice(epoch * self.num_steps, (epoch + 1) * self.num_steps)
        weights = {name: self.start.schedule[name][steps].astype('float32') for name in WEIGHTS}
        return noise.draws(self.p, self.seed, epoch, num, shape) | weights

    def step(self, epoch, draws):
        """A function of a step's draws that trains and returns the terms, stacked."""
        key = kind, *_ = self.start.steps[epoch], *draws

        def stacked(draws):
            terms = self.terms(kind, draws)
            self.names[kind] = list(terms)
            return torch.stack(list(terms.values()))

        if key not in self.steps:  # a CUDA graph for each phase and each set of draws
            self.steps[key] = Graphed(stacked) if self.cuda else stacked
        return self.steps[key]

    def terms(self, kind, draws):
        """Those of one step of a kind, which it takes."""
        X = self.images[draws['order']].float().div(255)
        X, X_in = noise.noisy(X, draws, self.scrambled)
        X, X_in = (A.contiguous(memory_format=self.layout) for A in (X, X_in))
        if kind == 'combo':
            return self.trainer.combo_step(X, X_in, draws)
        return self.trainer.solo_step(X, X_in, draws, warmup=kind == 'warmup')

    def row(self, epoch, totals, began):
        """The means of an epoch, as `d2lvae.training.Trainer.fit_epoch` has them."""
        steps = slice(epoch * self.num_steps, (epoch + 1) * self.num_steps)
        means = {name: float(self.start.schedule[name][steps].mean()) for name in WEIGHTS}
        names = self.names[self.start.steps[epoch]]
        found = {name: total / self.num_steps for name, total in zip(names, totals)}
        for name, value in found.items():
            if not math.isfinite(value):
                raise PortError(
                    f'Training broke down: {name} is {value} in epoch {epoch} (from 0). Lower lr '
                    'or the weights.'
                )
        phase = self.start.phases[epoch]
        return {
            'epoch': epoch,
            'phase': phase,
            'pbp_weight': means['pbp_weight'],
            'disc_weight': means['disc_weight'] if phase == 'combo' else None,
            **found,
            'lr': float(self.start.schedule['lr'][steps][-1]),
            'seconds': time.perf_counter() - began,
        }

    # Files

    def state(self):
        """Everything that goes on: networks, optimisers, the smoothed ratio."""
        nets = self.trainer.vae, self.trainer.disc
        return [part for part in (*nets, *self.trainer.optimisers) if part]

    def save(self):
        began = time.perf_counter()
        states = [part.state_dict() for part in self.state()]
        content = {'states': states, 'ratio': self.trainer.ratio, 'rows': self.rows}
        write_whole(self.folder / 'checkpoint.pt', lambda file: torch.save(content, file))
        self.saved = time.perf_counter()
        self.saving = self.saved - began

    def restore(self):
        path = self.folder / 'checkpoint.pt'
        if not path.exists():
            return []
        content = torch.load(path, map_location=self.device, weights_only=True)
        for part, state in zip(self.state(), content['states'], strict=True):
            part.load_state_dict(state)
        self.trainer.ratio.copy_(content['ratio'])
        return content['rows']

    def write(self):
        """What `python -m d2lvae score` reads: the statistics, then the pictures."""
        names = list(dict.fromkeys(name for row in self.rows for name in row))

        def write_rows(file):
            lines = csv.DictWriter(text := open(file.fileno(), 'w', closefd=False), names)
            lines.writeheader()
            lines.writerows(self.rows)
            text.flush()

        write_whole(self.folder / 'epochs.csv', write_rows)
        with self.on_stream():
            found = self.pictures()
        write_whole(self.folder / 'pictures.npz', lambda file: np.savez(file, **found))

    @torch.no_grad()
    def pictures(self):
        """Arrays as `d2lvae.metrics.reconstructions` and `prior_samples` have them, by name."""
        vae, num = self.trainer.vae.eval(), len(self.start.held_out)
        eps, z = (
            np.random.default_rng(stream).standard_normal((num, self.p.latents), 'float32')
            for stream in (POSTERIOR, PRIOR)
        )
        parts = []
        for i in range(0, num, BATCH):
            to = [torch.from_numpy(a[i : i + BATCH]) for a in (self.start.held_out, eps, z)]
            parts.append(self.picture_batch(vae, *(a.to(self.device) for a in to)))
        vae.train()
        return {n: np.concatenate([part[n].cpu().numpy() for part in parts]) for n in parts[0]}

    def picture_batch(self, vae, X, eps, z):
        X = X.float() / 255
        seen = noise.scrambled(X) if self.scrambled else X
        mu, log_var = vae.encode(seen)
        sampled = vae.decode(vae.sample(mu, log_var, eps))
        logits = {'X_hat': vae.decode(mu), 'X_sampled': sampled, 'samples': vae.decode(z)}
        pictures = {name: torch.sigmoid(y) for name, y in logits.items()}
        if self.scrambled:
            pictures = {name: noise.unscrambled(Y) for name, Y in pictures.items()}
        terms = {'kl': kl_divergence(mu, log_var), 'pbp': self.trainer.pbp_loss(sampled, seen)}
        return {'mu': mu, **terms, **pictures}


def write_whole(path, write):
    """Write to a temporary name and rename it, so that no half-written file is ever seen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        with open(temporary, 'wb') as file:
            write(file)
        os.replace(temporary, path)
    except OSError as e:
        raise PortError(f'{path} was not written ({e.strerror}): make room, and repeat.') from e
    finally:
        temporary.unlink(missing_ok=True)
