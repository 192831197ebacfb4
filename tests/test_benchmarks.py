"""The comparison with PyTorch: what is counted and compared. Times are faked; no test needs torch.

Its workers are no package: they are scripts that import each other by their folder.
"""

import ast
import importlib
import io
import json
import math
import re
import signal
import sys

import numpy as onp
import pytest
from mxnet import autograd, np
from mxnet.gluon import nn
from test_repository import OTHER_FRAMEWORK
from tiny import (
    CONV_DISC,
    FACE_SIZES,
    SHAPE,
    gradients,
    python,
    swallowed,
    vae_and_disc,
    weights,
)

from d2lvae import layers
from d2lvae.base import paths
from d2lvae.base.errors import CourseError
from d2lvae.layers import num_parameters
from d2lvae.losses import ADVERSARIAL, sigmoid
from d2lvae.runs.experiment import Experiment
from d2lvae.runs.tables import markdown_table

FOLDER, PORT = paths.ROOT / 'benchmarks', paths.ROOT / 'port'
sys.path.append(str(FOLDER))
cases, counts, fixed, needs, ours, report, run, study, worker = map(
    importlib.import_module,
    ('cases', 'counts', 'fixed', 'needs', 'ours', 'report', 'run', 'study', 'worker'),
)

NAMES = [
    'DenseVAE solo',
    'DenseVAE + DenseLogReg',
    'ConvVAE solo',
    'ConvVAE + ConvDisc',
    'ConvVAE + ResNet-18',
]
KEYS = {
    'name',
    'ours_per_s',
    'torch_best',
    'torch_per_s',
    'ratio_median',
    'ratio_min',
    'ratio_max',
    'peak_fraction',
}
DENSE = {
    'vae': 'DenseVAE',
    'latents': 2,
    'hidden_layers': 1,
    'hidden_nodes': 16,
    'batch_size': 4,
    'discriminator': 'DenseLogReg',
    'disc_nodes': 8,
}
TINY = {**FACE_SIZES, **CONV_DISC, 'disc_norm': 'batch', 'batch_size': 4}


# Multiply-adds


def counted(net, *shape):
    net.initialize()
    return counts.multiply_adds(net, np.zeros((1, *shape)))


def test_a_dense_layer_multiplies_each_input_for_each_output():
    assert counted(nn.Dense(3, in_units=30), *SHAPE) == [30 * 3]


def test_a_convolution_multiplies_its_weights_at_each_place_of_its_output():
    layer = nn.Conv2D(8, 4, strides=2, padding=1, in_channels=3)
    assert counted(layer, 3, 32, 32) == [3 * 8 * 4 * 4 * 16 * 16]


def test_a_transposed_convolution_multiplies_its_weights_at_each_place_of_its_input():
    layer = nn.Conv2DTranspose(3, 3, strides=2, in_channels=8)
    assert counted(layer, 8, 16, 16) == [3 * 8 * 3 * 3 * 16 * 16]


def test_a_spectral_convolution_counts_as_a_convolution():
    assert counted(layers.SpectralConv2D(3, 8, 4, 2, 1), 3, 32, 32) == [3 * 8 * 16 * 256]


def test_layers_are_counted_in_their_order_and_once_however_often_one_asks():
    net = layers.dense_layers(30, 2, 16, 4)
    for _ in range(2):
        assert counted(net, *SHAPE) == [30 * 16, 16 * 16, 16 * 4]


def test_a_solo_step_has_three_passes_but_for_the_gradient_of_the_picture():
    vae, _ = vae_and_disc()
    encoder, decoder = 30 * 16 + 16 * 4, 2 * 16 + 16 * 30
    assert counts.of_a_step(vae, None, np.zeros((1, *SHAPE))) == 3 * (encoder + decoder) - 30 * 16


def test_a_combo_step_adds_two_updates_passes_and_the_adversarial_gradient():
    vae, disc = vae_and_disc()
    solo = counts.of_a_step(vae, None, np.zeros((1, *SHAPE)))
    layers = 30 * 8 + 8
    expected = solo + 2 * (3 * layers - 30 * 8) + 2 * layers
    assert counts.of_a_step(vae, disc, np.zeros((1, *SHAPE))) == expected


# The cases


def test_the_five_cases_are_experiments_of_batch_64():
    assert list(cases.CASES) == list(cases.STEPS) == NAMES
    for parameters in cases.CASES.values():
        assert Experiment(**parameters).batch_size == 64


def test_the_resnet_is_the_resnet_18():
    experiment = Experiment(**cases.CASES['ConvVAE + ResNet-18'])
    _, disc = experiment.networks((3, 64, 64), seed=0)
    statistics = sum(p.data().size for p in disc.collect_params('.*running_.*').values())
    its_thousand_classes = 512 * 1000 + 1000
    assert num_parameters(disc) - statistics == 11_689_512 - its_thousand_classes + 512 + 1


def test_one_size_grows_at_a_time_and_longer_steps_are_fewer():
    grown = {run.size(parameters): (parameters, steps) for parameters, steps in cases.grown()}
    assert len(grown) == len(cases.grown()) == 7
    start, steps = grown['batch 64, side 64, base 32']
    assert (start, steps) == (cases.CASES['ConvVAE + ConvDisc'], cases.STEPS['ConvVAE + ConvDisc'])
    for parameters, _ in grown.values():
        assert parameters['disc_channels'] == parameters['base_channels']
        assert Experiment(**parameters)
    assert grown['batch 16, side 64, base 32'][1] > steps > grown['batch 64, side 128, base 32'][1]


# Workers


@pytest.mark.parametrize('discriminator', [None, 'ConvDisc'])
def test_ours_is_the_trainer_with_the_sizes_of_the_case(discriminator):
    trainer = ours.trainer_of(TINY | {'discriminator': discriminator}, steps=2)
    assert (trainer.num_steps, trainer.p.batch_size) == (2, 4)
    assert trainer.data.shape == (3, 32, 32) and trainer.model.latents == 2
    before = weights(trainer.model)
    row = trainer.fit_epoch()
    assert row['phase'] == ('combo' if discriminator else 'solo')
    after = weights(trainer.model)
    assert {n for n in before if (before[n] != after[n]).any()} >= (
        before.keys() - swallowed(trainer.model)
    )


def passes(trainer):
    """How often a step goes through the encoder, the decoder and the discriminator."""
    found = []
    nets = {'encoder': trainer.model.encoder, 'decoder': trainer.model.decoder}
    for name, net in {**nets, 'disc': trainer.disc}.items():
        net.register_forward_hook(lambda *_, name=name: found.append(name))
    trainer.fit_epoch()
    return {name: found.count(name) for name in ('encoder', 'decoder', 'disc')}


def test_the_studys_step_passes_three_times_through_the_vae_and_ours_once():
    made = study.study_trainer_of(TINY, 1), ours.trainer_of(TINY, 1)
    assert [passes(trainer) for trainer in made] == [
        {'encoder': 3, 'decoder': 3, 'disc': 3},
        {'encoder': 1, 'decoder': 1, 'disc': 3},
    ]


def test_the_studys_step_moves_both_networks():
    trainer = study.study_trainer_of(TINY, 1)
    nets = trainer.model, trainer.disc
    before = [weights(net) for net in nets]
    trainer.fit_epoch()
    for net, old in zip(nets, before):
        new = weights(net)
        assert {n for n in old if (old[n] != new[n]).any()} >= old.keys() - swallowed(net)


def test_the_studys_update_of_the_vae_has_the_gradients_of_all_its_losses(monkeypatch):
    trainer = study.study_trainer_of(DENSE, 1)
    vae, disc = trainer.model, trainer.disc
    [X] = trainer.data.shuffled_batches(4, trainer.rng())
    [eps] = trainer.latent_noise([trainer.rng(0)])
    monkeypatch.setattr(study, 'noise', lambda *_: eps)
    for optimiser in (trainer.vae_optim, trainer.disc_optim):
        monkeypatch.setattr(optimiser, 'step', lambda _: None)
    study.study_step(trainer, X)
    found = gradients(vae)
    _, adversarial_loss = ADVERSARIAL['non_saturating']
    with autograd.record():
        kl, pbp, logits = vae.elbo_terms(X, eps)
        loss = (kl + pbp + adversarial_loss(disc(sigmoid(logits)))).mean()
    loss.backward()
    for name, expected in gradients(vae).items():
        onp.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=1e-5, err_msg=name)


def test_a_worker_says_the_rate_of_each_epoch_that_it_is_asked_for(monkeypatch, capsys):
    clock, epochs = iter([10.0, 12.0, 20.0, 25.0]), []
    monkeypatch.setattr(sys, 'stdin', io.StringIO('\n\n'))
    monkeypatch.setattr(worker.time, 'perf_counter', lambda: next(clock))
    worker.answer(lambda: epochs.append(None), 100)
    ready, *measures = map(json.loads, capsys.readouterr().out.splitlines())
    assert (ready, len(epochs)) == ('ready', 3)
    assert [measure['per_s'] for measure in measures] == [50.0, 20.0]


def test_the_memory_of_a_worker_is_its_own_and_not_its_parents(tmp_path):
    program = f'import sys; sys.path.append({str(FOLDER)!r}); import worker; worker.say('
    process = python('-c', program + 'worker.peak_memory())', runs=tmp_path)
    assert 1 < json.loads(process.communicate()[0]) < worker.peak_memory() / 2


DYING = {
    "import sys; print('first', file=sys.stderr); sys.exit('no room\\n\\n')": 'no room',
    'raise ValueError(1)': 'ValueError: 1',
    'import os; os._exit(3)': 'exit code 3',
    'import os, signal; os.kill(os.getpid(), signal.SIGKILL)': 'it was killed by signal 9: is '
    'there too little memory?',
}


@pytest.mark.parametrize('program', DYING)
def test_a_worker_that_dies_is_told_in_a_sentence(program):
    with pytest.raises(CourseError) as e:
        run.once('ours', sys.executable, '-c', program)
    assert str(e.value) == f'The measuring of ours broke off: {DYING[program]}'


def test_a_worker_that_dies_between_two_measures_is_told_too():
    program = "print('1', flush=True); input(); raise ValueError(2)"
    with run.Worker('ours', [sys.executable, '-c', program]) as dying:
        assert dying.read() == 1
        dying.process.send_signal(signal.SIGKILL)
        dying.process.wait()
        with pytest.raises(CourseError, match='^The measuring of ours broke off: it was killed'):
            dying.measure()


def test_workers_take_turns_and_end_with_the_series():
    program = 'import sys\nprint(0, flush=True)\nfor i in sys.stdin: print({}, flush=True)'
    commands = {key: [sys.executable, '-c', program.format(key)] for key in ('1', '2')}
    started, start = [], run.Worker.__enter__

    def noted(self):
        started.append(self.process)
        return start(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run.Worker, '__enter__', noted)
        rounds = run.alternated('turns', 2, commands, run.tqdm(disable=True))
    assert rounds == [{'1': 1, '2': 2}] * 2
    assert [process.returncode for process in started] == [0, 0]


def imports(name):
    """Every module that a file of the benchmarks imports, itself or by another one of them."""
    found = set()
    for node in ast.walk(ast.parse((FOLDER / f'{name}.py').read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition('.')[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module.partition('.')[0])
    own = {path.stem for path in FOLDER.glob('*.py')}
    return found.union(*(imports(other) for other in found & own))


@pytest.mark.parametrize('name', sorted(path.stem for path in FOLDER.glob('*.py')))
def test_no_process_loads_both_frameworks(name):
    both = {'mxnet', 'd2lvae', 'torch', 'port'} & imports(name)
    assert both <= ({'torch', 'port'} if name == 'pytorch' else {'mxnet', 'd2lvae'})


def test_the_port_loads_nothing_of_the_course():
    for path in [*PORT.glob('*.py'), *PORT.glob('tests/test_*.py')]:
        found = set(re.findall(r'^\s*(?:from|import) (\w+)', path.read_text(), re.MULTILINE))
        assert not {'mxnet', 'd2l', 'd2lvae'} & found, path


def test_the_imports_of_another_framework_are_found():
    assert OTHER_FRAMEWORK.search((FOLDER / 'pytorch.py').read_text())
    assert {'torch', 'port'} <= imports('pytorch') and 'mxnet' in imports('run')


# What is measured


def test_every_case_is_measured_against_each_variant_in_at_least_five_rounds():
    series = run.series('other/python')
    assert [name for name in series if name in cases.CASES] == NAMES
    for name in NAMES:
        rounds, commands = series[name]
        convolutional = ['channels_last'] if name.startswith('Conv') else []
        assert list(commands) == ['ours', 'eager', *convolutional, 'compile'] and rounds >= 5
        assert {command[2] for command in commands.values()} == {'train'}
        parameters = {json.dumps(json.loads(command[3])) for command in commands.values()}
        assert parameters == {json.dumps(cases.CASES[name])}
        assert {command[4] for command in commands.values()} == {str(cases.STEPS[name])}


def test_pytorchs_scripts_run_in_their_environment_and_ours_in_this_one():
    for smoke in (False, True):
        for _, commands in run.series('other/python', smoke).values():
            for interpreter, script, *_ in commands.values():
                assert interpreter == {'pytorch.py': 'other/python'}.get(script, sys.executable)
                assert (FOLDER / script).exists()


def test_a_smoke_run_takes_one_step_and_one_round():
    for name, (rounds, commands) in run.series('other/python', smoke=True).items():
        assert rounds == 1
        assert name == 'peak' or {command[4] for command in commands.values()} == {'1'}


def losses(**changes):
    found = {'parameters': [10, 5], 'losses': [{'kl': 2.0, 'disc': 1.0}, {'kl': 1.0, 'disc': 0.5}]}
    return {name: found | changes for name in NAMES}


def test_losses_that_differ_by_rounding_are_the_same():
    run.check(losses(), losses(losses=[{'kl': 2.01, 'disc': 1.0}, {'kl': 1.0, 'disc': 0.501}]))


@pytest.mark.parametrize(
    'theirs, sentence',
    [
        ({'parameters': [10, 6]}, r'\[10, 5\] parameters here, \[10, 6\] there'),
        ({'losses': [{'kl': 2.0, 'disc': 1.0}, {'kl': 1.0, 'disc': 0.6}]}, 'step 1 .* disc is 0.5'),
        ({'losses': [{'kl': 2.0}]}, 'disc is 1.0 here and None there'),
        ({'losses': [{'kl': math.nan, 'disc': 1.0}]}, 'kl is 2.0 here and nan there'),
        ({'losses': [{'kl': 2.0, 'disc': 1.0, 'more': 1.0}]}, 'more is None here'),
    ],
)
def test_another_network_or_loss_in_pytorch_is_refused(theirs, sentence):
    with pytest.raises(
        CourseError, match=f'^DenseVAE solo is not the same in PyTorch: .*{sentence}'
    ):
        run.check(losses(), losses(**theirs))


def test_fixed_weights_are_the_same_in_every_version_of_numpy():
    first, second = fixed.weights([(1,), (2, 4)])
    assert first[0] == onp.float32(1.764052345967664)
    onp.testing.assert_array_equal(
        second[0, :2], onp.float32([0.40015720836 / 2, 0.9787379841 / 2])
    )


# Tables


def rounds(**rates):
    """Measures with these rates, one dictionary a round; memory grows from round to round."""
    return [
        {key: {'per_s': per_s, 'memory': 100.0 + i} for key, per_s in zip(rates, measured)}
        for i, measured in enumerate(zip(*rates.values()))
    ]


FAKE = {'ours': [96.0, 112.0, 40.0], 'eager': [64.0, 60.0, 999.0], 'compile': [128.0, 112.0, 16.0]}


def test_a_row_compares_with_the_variant_of_the_highest_median_round_by_round(monkeypatch):
    monkeypatch.setattr(run, 'multiply_adds', lambda p: 20 if p == cases.CONV else None)
    assert run.row('ConvVAE solo', rounds(**FAKE), peak=3840.0) == {
        'name': 'ConvVAE solo',
        'ours_per_s': 96.0,
        'torch_best': 'compile',
        'torch_per_s': 112.0,
        'ratio_median': 1.0,
        'ratio_min': 0.75,
        'ratio_max': 2.5,
        'torch_variants_per_s': {'eager': 64.0, 'compile': 112.0},
        'memory_mb': {'ours': 102.0, 'torch': 102.0},
        'peak_fraction': 0.5,
        'multiply_adds': 20,
    }


def test_a_size_has_its_seconds_per_step_and_its_own_multiply_adds(monkeypatch):
    monkeypatch.setattr(run, 'multiply_adds', lambda parameters: parameters['batch_size'])
    parameters = cases.CASES['ConvVAE + ConvDisc'] | {'batch_size': 16}
    row = run.growth_row(parameters, rounds(ours=[32.0, 64.0, 1.0]), peak=1024.0)
    assert row == {
        'batch_size': 16,
        'image_size': 64,
        'base_channels': 32,
        'ours_per_s': 32.0,
        'seconds_per_step': 0.5,
        'peak_fraction': 0.5,
        'multiply_adds': 16,
        'memory_mb': 102.0,
    }


def test_multiply_adds_of_a_case_are_those_of_its_networks_and_pictures():
    vae, disc = Experiment(**TINY).networks((3, 32, 32), seed=0)
    expected = counts.of_a_step(vae, disc, np.zeros((1, 3, 32, 32)))
    assert run.multiply_adds(TINY) == expected > 0


TORCH = {'version': '2.13.0+cpu', 'threads': 2}


@pytest.fixture
def measured(monkeypatch):
    """Fake rounds of every series."""
    monkeypatch.setattr(run, 'multiply_adds', lambda _: 1e9)
    found = {}
    for name, (_, commands) in run.series('python').items():
        found[name] = rounds(**{key: [50.0 + i, 70.0] for i, key in enumerate(commands)})
    found['peak'] = rounds(dot=[9e10, 8e10], dense=[1e11, 2e11], PyTorch=[3e11, 1e11])
    return found


def test_the_tables_hold_every_case_and_size_and_the_peak_of_mxnet(measured):
    table, more = run.tables(measured, TORCH)
    assert [row['name'] for row in table] == NAMES
    assert [row['peak_fraction'] for row in table] == [60.0 * 1e9 / 2e11] * 5
    assert more['peak']['products'] == {'dot': 9e10, 'dense': 2e11, 'PyTorch': 3e11}
    assert len(more['growth']) == 7
    assert more['study_step']['study_per_s'] == 60.5 and more['study_step']['ours_per_s'] == 60.0
    assert more['bfloat16']['torch_best'] == 'compile+bfloat16'
    here = more['circumstances']
    assert here['versions']['torch'] == '2.13.0+cpu' and here['threads'] == 2


def test_the_report_shows_every_row_and_what_was_measured_where(measured):
    text = report.markdown(*run.tables(measured, TORCH))
    assert text.count('| 60 | 61.5 | torch.compile | ') == 3  # the dense ones have a variant less
    assert all(f'| {name} | 60 |' in text for name in NAMES)
    assert 'PyTorch 2.13.0+cpu' in text and '200 billion multiply-adds/s' in text
    assert '| 256 | 64 | 32 | 60 | 4.267 |' in text


# The command


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(report, 'FOLDER', tmp_path)
    monkeypatch.setattr(paths, 'RUNS', tmp_path / 'runs')
    monkeypatch.setattr(run, 'missing', lambda: None)
    return tmp_path


def sentence(capsys):
    """The last line of standard error, above which is only the progress bar."""
    return capsys.readouterr().err.splitlines()[-1]


def test_a_missing_environment_ends_with_a_sentence(folder, capsys):
    assert run.main([str(folder / 'python')]) == 1
    assert sentence(capsys) == f'{folder}/python was not found: `make bench` sets it up.'
    assert list(folder.iterdir()) == []


def test_an_environment_without_pytorch_ends_with_a_sentence(folder, capsys):
    assert run.main([sys.executable, '--smoke']) == 1
    assert "No module named 'torch'" in sentence(capsys)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize('lack', ['compiler', 'headers'])
def test_what_the_compiler_needs_is_said_before_anything_is_measured(
    folder, capsys, monkeypatch, lack
):
    if lack == 'compiler':
        monkeypatch.setenv('CXX', 'no-such-compiler')
    else:
        monkeypatch.setenv('CXX', 'true')
        monkeypatch.setattr(needs.sysconfig, 'get_path', lambda _: str(folder))
    monkeypatch.setattr(run, 'missing', needs.missing)
    monkeypatch.setattr(run, 'once', None)
    assert run.main([sys.executable]) == 1
    said = {'compiler': 'no-such-compiler was not found', 'headers': 'Python.h was not found'}
    assert said[lack] in sentence(capsys)


def finished(monkeypatch, measured):
    """Let `bench` find its measures made."""
    said = {'version': '2.13.0', 'threads': 2, 'cases': losses(), **losses()}
    monkeypatch.setattr(run, 'once', lambda *_: said)
    monkeypatch.setattr(run, 'alternated', lambda name, *_: measured[name])


def test_the_tables_are_written_whole_at_the_end(folder, measured, monkeypatch, capsys):
    finished(monkeypatch, measured)
    assert run.main([sys.executable]) is None
    assert sorted(path.name for path in folder.iterdir()) == ['more.json', 'table.json']
    table = json.loads((folder / 'table.json').read_text())
    more = json.loads((folder / 'more.json').read_text())
    assert report.markdown(table, more) in capsys.readouterr().out


def test_a_smoke_run_leaves_the_committed_tables(folder, measured, monkeypatch):
    finished(monkeypatch, measured)
    assert run.main([sys.executable, '--smoke']) is None
    assert [path.name for path in folder.iterdir()] == ['runs']
    assert (folder / 'runs' / 'bench' / 'table.json').exists()


@pytest.mark.parametrize('error, code', [(CourseError('no room'), 1), (KeyboardInterrupt(), 130)])
def test_what_breaks_off_writes_nothing(folder, measured, monkeypatch, capsys, error, code):
    finished(monkeypatch, measured)

    def broken(*_):
        raise error

    monkeypatch.setattr(run, 'alternated', broken)
    assert run.main([sys.executable]) == code
    assert list(folder.iterdir()) == []
    assert sentence(capsys) == (str(error) or 'Stopped: nothing was written.')


# What is committed


@pytest.fixture
def committed():
    """The committed tables."""
    names = ('table', 'more')
    if not all((FOLDER / f'{name}.json').exists() for name in names):
        pytest.skip('Nothing was measured yet: `make bench` writes the tables.')
    return [json.loads((FOLDER / f'{name}.json').read_text()) for name in names]


def test_the_committed_table_has_its_five_rows_and_keys(committed):
    table, _ = committed
    assert [row['name'] for row in table] == NAMES
    for row in table:
        assert row.keys() >= KEYS and row['torch_best'] in run.VARIANTS
        assert row['ratio_min'] <= row['ratio_median'] <= row['ratio_max']
        assert min(row['ours_per_s'], row['torch_per_s']) > 0 and 0 < row['peak_fraction'] < 1


def test_the_committed_counts_are_those_of_the_networks(committed):
    for row in committed[0]:
        assert row['multiply_adds'] == run.multiply_adds(cases.CASES[row['name']])


def test_the_readme_shows_the_committed_table(committed):
    readme = (paths.ROOT / 'README.md').read_text()
    if '## Speed' not in readme:
        pytest.skip('The README has no section on speed yet.')
    table, more = committed
    assert markdown_table(report.HEADS, map(report.line, table)) in readme
    assert f'PyTorch {more["circumstances"]["versions"]["torch"]}' in readme


def test_both_sides_have_a_thread_for_each_core_and_our_dense_networks_an_operator():
    found = {
        (name, key): run.threads(command)
        for name, (_, commands) in run.series('other/python').items()
        for key, command in commands.items()
    }
    side_by_side = {'OMP_NUM_THREADS': '1', 'MXNET_CPU_WORKER_NTHREADS': str(run.THREADS)}
    shared = {'OMP_NUM_THREADS': str(run.THREADS)}
    for (name, key), threads in found.items():
        dense = name.startswith('Dense') and key == 'ours'
        assert threads == (side_by_side if dense else shared)
    assert ('DenseVAE solo', 'ours') in found
    assert run.threads(['python', 'ours.py', 'losses']) == shared
