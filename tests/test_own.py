"""Losses and networks of one's own, registered in a cell, are trained like any other."""

import signal
import textwrap

import pytest
from tiny import DISC, SIZES, python, without_seconds

from d2lvae import losses, networks
from d2lvae.base.errors import CourseError
from d2lvae.runs import identity
from d2lvae.runs.experiment import Experiment

HINGE = """
from d2lvae import losses

def disc_loss(real, fake, F):
    return F.npx.relu(1 - real), F.npx.relu(1 + fake)

def vae_loss(fake, F):
    return -fake

losses.ADVERSARIAL['mine'] = disc_loss, vae_loss
"""
NETWORKS = """
from mxnet.gluon import nn
from d2lvae import layers, networks

class MyDisc(nn.HybridBlock):
    def __init__(self, shape, disc_nodes=4):
        super().__init__()
        self.net = layers.dense_layers(shape[0] * shape[1] * shape[2], 1, disc_nodes, 1)

    def hybrid_forward(self, F, X):
        return F.np.reshape(self.net(X), (-1,))

class MyEncoder(networks.DenseEncoder):
    def __init__(self, shape, latents=2):
        super().__init__(shape, latents, 1, 12)

class MyDecoder(networks.DenseDecoder):
    def __init__(self, shape, latents=2):
        super().__init__(shape, latents, 2, 12)

networks.DISCRIMINATORS['MyDisc'] = MyDisc
networks.VAES['MyVAE'] = MyEncoder, MyDecoder
"""
MINE = SIZES | DISC | {'solo_epochs': 1, 'disc_weight': 3.0, 'adversarial_loss': 'mine'}
NOTEBOOK = """
import sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in sys.argv[1:]:
    result = shell.run_cell(cell)
    if not result.success:
        sys.exit(str(result.error_in_exec))
"""


def notebook(*cells, runs):
    """Run cells as a notebook does; the process, with what it printed."""
    process = python('-c', NOTEBOOK, *map(textwrap.dedent, cells), runs=runs)
    process.said, process.errors = process.communicate()
    return process


def made(**changes):
    return f'from d2lvae.runs.experiment import Experiment\ne = Experiment(**{MINE | changes})\n'


TRAIN = 'e.train(0, e.data())\nprint(e.folder)'


def trained_in(runs, *cells):
    process = notebook(*cells, runs=runs)
    assert process.returncode == 0, process.errors
    return runs / 'work' / process.said.split()[-1]


def outcome(folder):
    checkpoint = folder / 'seed_0' / 'checkpoint'
    weights = {path.name: path.read_bytes() for path in checkpoint.glob('*.safetensors')}
    return weights | {'epochs': without_seconds(checkpoint / 'epochs.csv')}


@pytest.fixture(scope='module')
def hinge(tmp_path_factory):
    """The runs in which a hinge loss from a cell was trained, and the folder of its run."""
    runs = tmp_path_factory.mktemp('runs')
    return runs, trained_in(runs, HINGE, made(), TRAIN)


def test_a_loss_from_a_cell_trains_as_the_registered_one(hinge, tmp_path):
    there = trained_in(tmp_path, made(adversarial_loss='hinge'), TRAIN)
    assert outcome(hinge[1]) == outcome(there)
    assert (hinge[1] / 'own_adversarial_loss.py').read_text().strip() == HINGE.strip()


def test_an_edited_loss_is_another_run(hinge, tmp_path):
    edited = HINGE.replace('return -fake', 'return -2 * fake')
    folder = trained_in(hinge[0], edited, made(), TRAIN)
    assert folder != hinge[1] and outcome(folder) != outcome(hinge[1])


def test_a_named_run_is_not_gone_on_with_by_an_edited_loss(tmp_path):
    trained_in(tmp_path, HINGE, made(run='mine'), TRAIN)
    edited = HINGE.replace('return -fake', 'return -2 * fake')
    process = notebook(edited, made(run='mine'), TRAIN, runs=tmp_path)
    assert process.returncode == 1 and 'was begun with other code of yours' in process.errors


def test_a_killed_training_with_a_loss_from_a_cell_ends_with_the_same_bytes(hinge, tmp_path):
    killed = """
        import os, signal
        from d2lvae.training import Trainer
        fit_epoch = Trainer.fit_epoch
        def dying(self, report):
            row = fit_epoch(self, report)
            if self.epoch == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            return row
        Trainer.fit_epoch = dying
    """
    assert notebook(HINGE, made(), killed, TRAIN, runs=tmp_path).returncode == -signal.SIGKILL
    assert outcome(trained_in(tmp_path, HINGE, made(), TRAIN)) == outcome(hinge[1])


def test_a_sweep_takes_the_loss_to_its_workers_and_results_keep_it(hinge, tmp_path):
    swept = """
        from d2lvae.runs import grid, sweep
        runs = [grid.Run(f'weight {w:g}', e.changed(disc_weight=w)) for w in (3.0, 5.0)]
        sweep.run_sweep('mine', runs, seeds=[0])
    """
    process = notebook(HINGE, made(), swept, runs=tmp_path)
    assert process.returncode == 0, process.errors
    work = tmp_path / 'work' / hinge[1].relative_to(hinge[0] / 'work')
    assert outcome(work) == outcome(hinge[1])
    published = tmp_path / 'results' / hinge[1].relative_to(hinge[0] / 'work')
    assert (published / 'own_adversarial_loss.py').read_text().strip() == HINGE.strip()


def test_networks_from_a_cell_train_and_their_sizes_count(tmp_path):
    changes = {'vae': 'MyVAE', 'discriminator': 'MyDisc', 'adversarial_loss': 'hinge'}
    folder = trained_in(tmp_path, NETWORKS, made(**changes), TRAIN)
    assert folder.parent.name == 'MyVAE_MyDisc_on_MNIST'
    sources = {path.name for path in folder.glob('own_*.py')}
    assert sources == {'own_vae.py', 'own_discriminator.py'}
    parameters = (folder / 'parameters.yaml').read_text()
    assert 'disc_nodes' in parameters and 'hidden_nodes' not in parameters


def test_a_name_that_nobody_registered_is_refused_with_those_that_there_are():
    with pytest.raises(CourseError, match='none of non_saturating, hinge, least_squares'):
        Experiment(**MINE)


def test_a_cell_that_does_not_run_by_itself_is_named():
    with pytest.raises(CourseError, match='your own adversarial_loss does not run by itself'):
        identity.register({'own_adversarial_loss.py': 'losses.ADVERSARIAL["x"] = softplus'})


def test_a_cell_that_registers_and_trains_is_not_run_again_by_every_worker():
    cell = f'{HINGE}\n{made()}\n{TRAIN}'
    with pytest.raises(CourseError, match='it trains too: give what you register a cell of its'):
        identity.register({'own_adversarial_loss.py': cell})
    losses.ADVERSARIAL.pop('mine')


def test_what_the_package_brings_has_no_source_of_its_own():
    assert Experiment(**MINE | {'adversarial_loss': 'hinge'}).own() == {}
    assert identity.own_sources({'discriminator': networks.DISCRIMINATORS['DeepConvDisc']}) == {}
    assert identity.own_sources({'adversarial_loss': losses.ADVERSARIAL['hinge']}) == {}


def test_a_function_without_a_source_is_refused(monkeypatch):
    namespace = {'__name__': '__main__'}
    exec('def loss(fake, F):\n    return -fake', namespace)
    with pytest.raises(CourseError, match='define it in a cell of the notebook or in a file'):
        identity.own_sources({'adversarial_loss': (namespace['loss'],)})
