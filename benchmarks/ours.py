"""A worker with this package and MXNet: `python ours.py TASK ...`.

`train PARAMETERS STEPS` trains with this package's own `Trainer`, as a user does; parameters as
JSON, an epoch of so many steps is one measure. `product dot|dense SIDE` multiplies two float32
matrices: MXNet has two libraries for it, one for `np.dot` and one for dense layers. `losses` says
the sizes of the networks and the losses of their first steps, case by case.
"""

import json
import sys

import numpy as onp
from cases import CASES, shape
from fixed import NUM, batches, weights
from mxnet import np, npx
from worker import answer, say

from d2lvae.data import ImageData
from d2lvae.runs.experiment import Experiment


def trainer_of(parameters, steps):
    """A trainer before its first epoch, which has `steps` steps, on random pictures."""
    experiment = Experiment(**parameters)
    size = (steps * experiment.batch_size, *shape(parameters))
    pictures = onp.random.default_rng(0).integers(256, size=size, dtype='uint8')
    data = ImageData('random', (pictures, None), (pictures[:1], None), 'drawn here')
    vae, disc = experiment.networks(data.shape, seed=0)
    trainer = experiment.trainer(seed=0)
    trainer.prepare(vae, data, disc)
    return trainer


def train(parameters, steps, make=trainer_of):
    trainer = make(json.loads(parameters), int(steps))
    answer(trainer.fit_epoch, len(trainer.data.train_images))


def product(operator, side):
    side = int(side)
    A, B = np.random.uniform(size=(2, side, side))
    multiply = {
        'dot': lambda: np.dot(A, B),
        'dense': lambda: npx.fully_connected(A, B, no_bias=True, num_hidden=side),
    }[operator]
    answer(lambda: multiply().wait_to_read(), side**3)


def losses():
    say({name: first_losses(parameters) for name, parameters in CASES.items()})


def first_losses(parameters):
    """Number of each network's trainable parameters, and each step's losses, by name."""
    trainer = trainer_of(parameters | {'batch_size': NUM}, steps=1)
    step = trainer.solo_step if trainer.disc is None else trainer.combo_step
    nets = [net for net in (trainer.model, trainer.disc) if net is not None]
    sizes, found = [fill(net) for net in nets], []
    for X, eps in batches(shape(parameters), parameters['latents']):
        X = np.array(X)
        terms = step(X, np.array(eps), X)
        if trainer.disc is not None:
            terms['disc'] = terms['disc_real'] + terms['disc_fake']
        names = ('kl', 'pbp', 'adversarial', 'disc')
        found.append({name: terms[name].item() for name in names if name in terms})
    return {'parameters': sizes, 'losses': found}


def fill(net):
    """Give every trainable parameter its fixed values; how many numbers these are."""
    parameters = [p for p in net.collect_params().values() if p.grad_req != 'null']
    for parameter, values in zip(parameters, weights([p.shape for p in parameters])):
        parameter.set_data(np.array(values))
    return sum(p.data().size for p in parameters)


if __name__ == '__main__':
    task, *arguments = sys.argv[1:]
    {'train': train, 'product': product, 'losses': losses}[task](*arguments)
