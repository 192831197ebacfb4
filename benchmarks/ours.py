"""A worker that trains with this package's own `Trainer`, as a user does.

`python ours.py PARAMETERS STEPS`, parameters as JSON; an epoch of so many steps is one measure.
"""

import json
import sys

import numpy as onp
from cases import shape
from tqdm import tqdm
from worker import answer

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
    trainer.progress = tqdm(disable=True)
    return trainer


if __name__ == '__main__':
    parameters, steps = json.loads(sys.argv[1]), int(sys.argv[2])
    trainer = trainer_of(parameters, steps)
    answer(trainer.fit_epoch, steps * trainer.batch_size)
