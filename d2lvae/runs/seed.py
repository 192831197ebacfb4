"""One seed of an experiment: its training, with clock, bar and checkpoints around it.

Runs that begin with the same solo epochs train them once. What they share lies in
`runs/work/common/`: the VAE and its optimiser after the last solo epoch of one run are where the
others start, with the same bytes as if each had trained alone. Their seconds are those of the run
that trained them.
"""

import hashlib
import json

from tqdm import tqdm

from d2lvae.base import files, paths
from d2lvae.base.machine import Clock, circumstances
from d2lvae.runs.animation import frame
from d2lvae.runs.checkpoint import Checkpoint
from d2lvae.schedules import phase

SHOWN = ('kl', 'pbp', 'adversarial', 'disc_accuracy')


def train_seed(experiment, seed, data):
    """Train a seed from where its checkpoint left off, to the end; its networks.

    The caller holds the seed's lock.
    """
    folder = experiment.seed_folder(seed)
    vae, disc = experiment.networks(data.shape, seed)
    trainer = experiment.trainer(seed)
    trainer.prepare(vae, data, disc)
    checkpoint = Checkpoint(folder / 'checkpoint')
    rows = checkpoint.restore(trainer)
    if not (folder / 'circumstances.json').exists():
        found = json.dumps(circumstances(), indent=1)
        files.write_whole(folder / 'circumstances.json', found.encode())
    with Bar(trainer, rows) as progress:
        num_common = trainer.p.common_epochs
        if len(rows) < num_common < trainer.p.num_epochs:
            train_common(experiment, seed, data, trainer, rows, checkpoint, progress)
        go_on(trainer, rows, checkpoint, progress)
    return vae, disc


def train_common(experiment, seed, data, trainer, rows, checkpoint, progress):
    """The solo epochs that other runs begin with too: taken from one of them, or trained for all.

    Waits while another process trains them.
    """
    folder, num = common_folder(experiment, seed, data), trainer.p.common_epochs
    with files.locked(folder, 'The solo epochs', wait=True):
        if not rows:
            there = [n for n in range(1, num + 1) if (folder / str(n)).exists()]
            rows += Checkpoint(folder / str(max(there))).restore(trainer) if there else []
            progress.update(len(rows) * trainer.num_steps)
        go_on(trainer, rows, checkpoint, progress, num)
        if not (folder / str(num)).exists():
            Checkpoint(folder / str(num)).save(trainer, rows, with_disc=False)


def common_folder(experiment, seed, data):
    """Where runs of the same VAE, data, recipe and length keep their solo epochs."""
    other = {*experiment.of('combo', 'disc'), 'disc_layers', 'disc_nodes', 'disc_channels'}
    parameters = experiment.parameters()
    common = {n: v for n, v in parameters.items() if n not in other | {'disc_norm'}}
    own = {n: s for n, s in experiment.own().items() if n in ('own_vae.py', 'own_dataset.py')}
    animated = ['animated'] if experiment.animated else []  # the others keep no frames
    content = json.dumps([common, own, data.fingerprint, *animated], sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    return paths.RUNS / 'work' / 'common' / digest / f'seed_{seed}'


def go_on(trainer, rows, checkpoint, progress, stop=None):
    """Train up to the epoch `stop`, or to the end; a row and a checkpoint for each epoch."""
    clock = Clock()
    for row in trainer.epochs(len(rows), stop, progress.report):
        seconds, alone = clock.read()
        rows.append(row | {'seconds': seconds, 'alone': alone})
        if trainer.p.animated:
            trainer.frames.append(frame(trainer))
        checkpoint.save(trainer, rows)
        clock = Clock()


class Bar(tqdm):
    """The progress of a trainer in steps, `rows` epochs done, with the loss terms of the last."""

    def __init__(self, trainer, rows):
        self.trainer = trainer
        total, done = (epochs * trainer.num_steps for epochs in (trainer.p.num_epochs, len(rows)))
        super().__init__(total=total, unit='step', disable=None, initial=done)

    def report(self, steps, terms):
        p, epoch = self.trainer.p, self.trainer.epoch
        self.set_description(f'epoch {epoch + 1}/{p.num_epochs} {phase(p, epoch)}')
        self.update(steps)
        self.set_postfix({name: f'{x:.4g}' for name, x in terms.items() if name in SHOWN})
