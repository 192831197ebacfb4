"""Live runs of the chapters: a few epochs from where a warm start ends, and what they come to."""

import time
from typing import NamedTuple

import numpy as onp
import pandas as pd

from d2lvae import metrics
from d2lvae.data import to_float
from d2lvae.frozen import warm
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


def run(experiment, data, plain=None, seed=0):
    """Train an experiment as `train` does, and measure it.

    `plain` is the live run whose reconstructions, with white noise, are the control.
    """
    vae, _, statistics = train(experiment, data, seed)
    X = to_float(data.held_out_images)
    values = held_out.held_out_metrics(
        vae,
        X,
        data.held_out_labels,
        None if plain is None else plain.reconstructions,
        frozen_features(experiment, data.shape),
        log_likelihood_samples=0,
    )
    summary = {'metrics': {name: metrics.mean_ci95([value]) for name, value in values.items()}}
    return Live(vae, statistics, metrics.reconstruct(vae, X), summary)


def train(experiment, data, seed=0):
    """The VAE and the discriminator (or None) of a run, and its statistics, a row for each epoch.

    The run begins where the warm start that has its layers ends, and keeps nothing. If none has
    (sizes of one's own), it is trained from the start, with checkpoints.
    """
    vae, disc = experiment.networks(data.shape, seed)
    name = next((name for name in warm.WARM_STARTS if warm.fits(name, vae)), None)
    if name is None:
        return *experiment.train(seed, data), pd.DataFrame(experiment.statistics(seed))
    vae = warm.load_warm(name)
    vae.pbp_loss = experiment.pbp_loss
    trainer = experiment.trainer(seed)
    trainer.prepare(vae, data, disc)
    return vae, disc, pd.DataFrame(timed(trainer.epochs()))


def timed(rows):
    """The rows of epochs, each with the seconds of the processor that it took.

    What else a machine has to do is not counted, and all threads are.
    """
    started = time.process_time()
    for row in rows:
        yield row | {'seconds': time.process_time() - started}
        started = time.process_time()
