"""From the same weights and noise, the same losses, gradients and pictures as the course's.

Every row of the catalogue at a tiny size, two steps in each of four epochs. Where an input of a
ReLU lies within rounding of its corner, or a batch norm divides by almost nothing, rounding decides
a gradient. There the port differs from itself as much, once its first weights are changed in their
last digits; that is measured, and allowed.
"""

import json

import numpy as np
import pytest
import torch

from port.run import Run
from port.start import Start

SEED = 3
ROWS_OF_THE_STUDY = 24
LOSSES, GRADIENTS, PICTURES = 1e-4, 0.02, 0.002  # of the losses, of a gradient's length, of 1
DIS_L_PICTURES = 0.03  # there batch norm's running means move twice a step in MXNet
ROUNDING = 3e-7
REPLICAS = 8


class NoBar:
    def update(self, steps=1):
        pass

    def set_postfix(self, terms):
        pass


def trained(path, folder, seed=None):
    """Rows, gradients by epoch and pictures; with a seed, from first weights changed a little."""
    run = Run(Start(path), SEED, folder, False, False, torch.device('cpu'))
    nets = {'vae': run.trainer.vae, 'disc': run.trainer.disc}
    nets = {name: net for name, net in nets.items() if net is not None}
    if seed is not None:
        generator = torch.Generator().manual_seed(seed)
        for net in nets.values():
            for p in net.parameters():
                noise = torch.randn(p.shape, generator=generator)
                p.data *= 1 + ROUNDING * noise
    gradients, taken = [], 0
    for _ in run.train(NoBar()):
        taken += 1
        if taken % run.num_steps == 0:
            gradients.append({name: gradients_of(net) for name, net in nets.items()})
    with np.load(folder / 'pictures.npz') as pictures:
        return run.rows, gradients, dict(pictures), run.p


def gradients_of(net):
    return [p.grad.numpy().copy() for p in net.parameters() if p.grad is not None]


def course_trained(path, p):
    """The same of the course, whose VAE's gradients are sums over the batch."""
    with np.load(path) as done:
        arrays = dict(done)
    rows = json.loads(arrays['rows'].tobytes())
    gradients = []
    for epoch in range(len(rows)):
        found = {
            net: [a for name, a in arrays.items() if name.startswith(f'gradient/{epoch}/{net}/')]
            for net in ('vae', 'disc')
        }
        found['vae'] = [a / p.batch_size for a in found['vae']]
        gradients.append(found)
    return rows, gradients, arrays


def differences(ours, theirs):
    """How far two trainings are apart, epoch by epoch, in units of what is allowed."""
    found = []
    for row, other, grads, other_grads in zip(ours[0], theirs[0], ours[1], theirs[1], strict=True):
        names = (row.keys() | other.keys()) - {'seconds', 'ratio'}
        pairs = [(row.get(name), other.get(name)) for name in names]
        texts = [pair for pair in pairs if None in pair or isinstance(pair[0], str)]
        assert all(a == b for a, b in texts), (row, other)
        losses = [abs(a - b) / max(1e-3, abs(a)) for a, b in pairs if (a, b) not in texts]
        lengths = [apart(grads[net], other_grads[net]) for net in grads if grads[net]]
        found.append(max(max(losses) / LOSSES, max(lengths) / GRADIENTS))
    return found


def apart(gradients, others):
    """The greatest distance between two gradients, each over its length.

    Of a layer whose gradient is only rounding, such as a bias before batch norm, over a thousandth
    of the greatest.
    """
    greatest = max(np.abs(g).max() for g in others)
    return max(
        np.linalg.norm(g - other.reshape(g.shape))
        / (np.linalg.norm(other) + 1e-3 * greatest * np.sqrt(other.size))
        for g, other in zip(gradients, others, strict=True)
    )


def cases(course):
    names = {path.stem: path.read_text() for path in course.glob('*.name')}
    return {name: (course / f'{i}.npz', course / f'{i}_done.npz') for i, name in names.items()}


def test_every_row_of_the_catalogue_is_trained_as_by_the_course(course, tmp_path):
    failed = {}
    for i, (name, (start, done)) in enumerate(cases(course).items()):
        ours = trained(start, tmp_path / f'{i}')
        theirs = course_trained(done, ours[3])
        found = np.array(differences(ours, theirs))
        if (found > 1).any():
            replicas = [trained(start, tmp_path / f'{i}_{j}', j) for j in range(REPLICAS)]
            spread = np.max([differences(ours, replica) for replica in replicas], axis=0)
            print(name, 'apart', found.round(2), 'by rounding', spread.round(2))
            if (found > np.maximum(1, 3 * spread)).any():
                failed[name] = found.tolist(), spread.tolist()
        pictures = {n: np.abs(theirs[2][n] - ours[2][n]).max() for n in ('X_hat', 'samples')}
        if max(pictures.values()) > (DIS_L_PICTURES if ours[3].dis_l_weight else PICTURES):
            failed[f'{name}, pictures'] = pictures
    assert failed == {}


def test_no_row_of_the_study_is_missing(course):
    rows = json.loads((course / 'rows.json').read_text())
    assert len(rows) == ROWS_OF_THE_STUDY and set(rows) < set(cases(course))


def test_a_wrong_weight_is_found(course, tmp_path):
    start, done = cases(course)['hinge']
    ours = trained(start, tmp_path / 'right')
    other = Start(start)
    other.schedule['pbp_weight'] *= 1.1
    run = Run(other, SEED, tmp_path / 'wrong', False, False, torch.device('cpu'))
    for _ in run.train(NoBar()):
        pass
    assert run.rows[-1]['grad_norm_pbp'] != pytest.approx(ours[0][-1]['grad_norm_pbp'], rel=1e-5)
