"""Held-out numbers of finished seeds, kept beside their weights."""

import json
import math

from d2lvae import metrics
from d2lvae.base import files
from d2lvae.base.errors import CourseError
from d2lvae.data import data_class, to_float
from d2lvae.frozen.digits import load_digit_classifier
from d2lvae.frozen.faces import load_face_features
from d2lvae.runs import held_out

# To be raised with every change of what a metric says, and with every new one: what was scored
# before is scored again where the weights are, and never mixed with what is scored now.
SCORES = 2
FROZEN_FEATURES = {  # by a data set's `features`: what loads the net, the pictures that it knows
    'digits': (load_digit_classifier, (1, 28, 28)),
    'faces': (load_face_features, (3, 64, 64)),
}


def score(experiment, seed, data, control=None):
    """Held-out numbers of a finished seed, kept beside its weights.

    Raises CourseError if one of them is not finite: then the training broke down.
    """
    stored = stored_metrics(experiment, seed, control)
    if stored:
        return stored
    vae, _ = experiment.load(seed, data.shape)
    control_vae = None if control is None else control.load(seed, data.shape)[0]
    last = experiment.statistics(seed)[-1]
    values = {
        'train_loss': last['kl'] + last['pbp'],
        **held_out_metrics(vae, data, frozen_features(experiment, data.shape), control_vae),
    }
    broken = [name for name, value in values.items() if not math.isfinite(value)]
    if broken:
        raise CourseError(
            f'{experiment.folder}, seed {seed}, broke down: {", ".join(broken)} of its held-out '
            'pictures are not finite. Lower lr or the weights.'
        )
    content = {'scores': SCORES, 'control': name_of(control), 'metrics': values}
    files.write_whole(metrics_path(experiment, seed), json.dumps(content, indent=1).encode())
    return values


def stored_metrics(experiment, seed, control=None):
    """What `score` of today has kept of a finished seed beside this control, or None."""
    if experiment.statistics(seed) is None:
        return None
    try:
        stored = dict(json.loads(metrics_path(experiment, seed).read_text()))
    except (OSError, ValueError, TypeError):  # not there, or damaged: it is scored again
        return None
    asked = {'scores': SCORES, 'control': name_of(control)}
    return stored['metrics'] if asked.items() <= stored.items() else None


def name_of(control):
    return None if control is None else control.folder


def metrics_path(experiment, seed):
    return experiment.seed_folder(seed) / 'metrics.json'


def finished_seeds(experiment, control=None):
    """Metrics by seed of all seeds that are trained, and scored beside this control, here."""
    paths = experiment.work.glob('seed_*/metrics.json')
    seeds = sorted(int(path.parent.name.removeprefix('seed_')) for path in paths)
    found = {seed: stored_metrics(experiment, seed, control) for seed in seeds}
    return {seed: values for seed, values in found.items() if values}


def held_out_metrics(vae, data, features, control_vae=None):
    """`held_out.held_out_metrics` on the held-out pictures of `data`."""
    X = to_float(data.held_out_images)
    control = None if control_vae is None else metrics.reconstruct(control_vae, X)
    reference = to_float(data.train_images[: len(X)])
    return held_out.held_out_metrics(vae, X, data.held_out_labels, control, features, reference)


def frozen_features(experiment, shape):
    """The frozen net whose features score pictures of `shape` (C, H, W), or None."""
    load, known = FROZEN_FEATURES.get(data_class(experiment.dataset).features, (None, None))
    return load() if known == tuple(shape) else None


def evaluate(experiment, seed, images, labels=None):
    """Held-out numbers of a finished local seed on other pictures, uint8 (N, C, H, W)."""
    shape = tuple(images.shape[1:])
    vae, _ = experiment.load(seed, shape)
    features = frozen_features(experiment, shape)
    return held_out.held_out_metrics(vae, to_float(images), labels, None, features)
