"""What the course does, for the port to be compared with: run by MXNet, in a process of its own.

`python course_side.py FOLDER` trains every row of the study, a recipe of each kind, and what the
catalogue lacks, at a tiny size. Of each it leaves the name, `0.name`; what the port starts with,
`0.npz`; and what came of it, `0_done.npz`: the rows of the statistics, the last step's gradients in
each epoch, and the pictures in the end.
"""

import json
import sys
from pathlib import Path

import numpy as onp
from PIL import Image

from d2lvae import metrics
from d2lvae.data import to_float
from d2lvae.runs import catalogue, ported

SEED, SIDE, NUM_FACES = 3, 32, 60
TINY = {
    'num_train': 32,
    'num_held_out': 12,
    'batch_size': 16,
    'latents': 8,
    'hidden_nodes': 16,
    'disc_nodes': 16,
    'base_channels': 4,
    'disc_channels': 4,
}
ROW = 'ConvVAE_ResNet32_on_anime/512_32_20_10_1'
DOSES = {'disc_weight', 'pbp_weight', 'kl_weight', 'solo_epochs', 'run', 'scale', 'animated'}
LACKING = {  # by the catalogue
    'plain with the weights of a combo run': {'disc_weight': 0.0, 'pbp_weight': 0.5},
    'hinge': {'adversarial_loss': 'hinge'},
    'least squares': {'adversarial_loss': 'least_squares'},
    'moved before the discriminator': {'disc_shift': 3},
    'moved, warmed up and matched by features': {
        'disc_shift': 3,
        'dis_l_weight': 0.1,
        'solo_epochs': 2,
        'disc_warmup_epochs': 1,
    },
    'transposed': {'upsampling': 'transposed'},
    'without a norm': {'discriminator': 'ConvDisc', 'disc_norm': 'none'},
    'deep with spectral norm': {'discriminator': 'DeepConvDisc', 'disc_norm': 'spectral'},
}


def faces(folder):
    """A folder of pictures of noise.

    Drawn faces have large areas of one colour: where such an area meets the corner of a ReLU,
    rounding decides on which side all of it lies.
    """
    rng = onp.random.default_rng(0)
    folder.mkdir()
    for i in range(NUM_FACES):
        Image.fromarray(rng.integers(256, size=(SIDE, SIDE, 3), dtype='uint8')).save(
            folder / f'{i:02}.png'
        )
    return folder


def tiny(experiment, folder):
    """Two steps in each of four epochs, at sizes that take a moment; kinds of things stay."""
    if experiment.dataset == 'mnist':
        return experiment.changed(**TINY, lr=experiment.lr / 10)
    faces = {'dataset': str(folder), 'image_size': SIDE}
    return experiment.changed(**TINY, **faces, lr=experiment.lr / 10)


def experiments(folder):
    found, kinds = {}, set()
    for name, entry in catalogue.entries().items():
        if entry.experiment.frozen_weight:
            continue  # the port refuses it
        experiment = tiny(entry.at('smoke'), folder)
        kind = json.dumps(experiment.model_dump(exclude=DOSES))
        if entry.of_study or kind not in kinds:  # of our own recipes, one of each kind
            found[name] = experiment
        kinds.add(kind)
    base = found[ROW]
    return found | {name: base.changed(**changes) for name, changes in LACKING.items()}


def trained(experiment):
    """Rows, gradients and pictures of a short training, as arrays by name."""
    data = experiment.data()
    vae, disc = experiment.networks(data.shape, SEED)
    trainer = experiment.trainer(SEED)
    trainer.prepare(vae, data, disc)
    rows, arrays = [], {}
    for row in trainer.epochs():
        rows.append(row)
        for name, net in (('vae', vae), ('disc', disc)):
            for key, p in [] if net is None else trainable(net):
                arrays[f'gradient/{row["epoch"]}/{name}/{key}'] = p.grad().asnumpy()
    arrays['rows'] = onp.frombuffer(json.dumps(rows).encode(), 'uint8')
    X = to_float(data.held_out_images)
    arrays |= metrics.reconstructions(vae, X)._asdict()
    return arrays | {'samples': metrics.prior_samples(vae, len(X))}


def trainable(net):
    return [(n, p) for n, p in net._collect_params_with_prefix().items() if p.grad_req != 'null']


def main(folder):
    rows = [name for name, entry in catalogue.entries().items() if entry.of_study]
    (folder / 'rows.json').write_text(json.dumps(rows))
    for i, (name, experiment) in enumerate(experiments(faces(folder / 'faces')).items()):
        print(name, flush=True)
        (folder / f'{i}.name').write_text(name)
        ported.export(experiment, [SEED], folder / f'{i}.npz')
        onp.savez(folder / f'{i}_done.npz', **trained(experiment))


if __name__ == '__main__':
    main(Path(sys.argv[1]))
