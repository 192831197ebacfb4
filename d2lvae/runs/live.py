"""Live runs of the chapters: a few epochs from where a kept VAE ends, and what they come to."""

import time
from typing import NamedTuple

import numpy as onp
import pandas as pd

from d2lvae import metrics
from d2lvae.base.errors import CourseError
from d2lvae.data import to_float
from d2lvae.frozen.warm import WARM_STARTS, load_warm
from d2lvae.runs import held_out
from d2lvae.runs.scores import frozen_features
from d2lvae.vae import VAE


class Live(NamedTuple):
    """What a live run comes to.

    `statistics` has a row for each epoch, with its seconds of the processor; `reconstructions` are
    of the held-out pictures, (N, C, H, W), and `summary` has their metrics as a `summary.json` has.
    """

    vae: VAE
    statistics: pd.DataFrame
    reconstructions: onp.ndarray
    summary: dict


def run(experiment, warm, data, plain=None, seed=0):
    """Train an experiment whose VAE is the warm start of that name; nothing is kept.

    `plain` is the live run whose reconstructions, with white noise, are the control.

    Raises
    ------
    CourseError
        If the pictures have another shape (C, H, W) than those of the warm start.
    """
    shape = WARM_STARTS[warm][1]['shape']
    if data.shape != shape:
        raise CourseError(
            f'The live part begins with a VAE for {warm} of shape {shape}, and these pictures have '
            f'the shape {data.shape}: leave dataset and image_size as they are.'
        )
    vae, (_, disc) = load_warm(warm), experiment.networks(shape, seed)
    vae.pbp_loss = experiment.pbp_loss
    trainer = experiment.trainer(seed)
    trainer.prepare(vae, data, disc)
    statistics = pd.DataFrame(timed(trainer.epochs()))
    X = to_float(data.held_out_images)
    values = held_out.held_out_metrics(
        vae,
        X,
        data.held_out_labels,
        None if plain is None else plain.reconstructions,
        frozen_features(experiment, shape),
        log_likelihood_samples=0,
    )
    summary = {'metrics': {name: metrics.mean_ci95([value]) for name, value in values.items()}}
    return Live(vae, statistics, metrics.reconstruct(vae, X), summary)


def timed(rows):
    """The rows of epochs, each with the seconds of the processor that it took.

    What else a machine has to do is not counted, and all threads are.
    """
    started = time.process_time()
    for row in rows:
        yield row | {'seconds': time.process_time() - started}
        started = time.process_time()
