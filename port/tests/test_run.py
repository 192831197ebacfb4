"""The command: it trains on a CPU, goes on after a kill, and says in a sentence what is wrong."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from port import PortError, __main__, noise
from port.graph import WARM_UP, Graphed
from port.run import Run
from port.start import COURSE, ROOT, handed_over
from port.training import Trainer

NO_GPU = not torch.cuda.is_available()


def outcome(folder):
    """The weights and statistics of a finished seed; of these all but the seconds."""
    content = torch.load(folder / 'seed_0' / 'checkpoint.pt', weights_only=True)
    rows = [{n: v for n, v in row.items() if n != 'seconds'} for row in content['rows']]
    return content['states'], content['ratio'], rows


def test_a_run_leaves_what_is_scored_and_ends_at_once_when_repeated(parameters, tmp_path):
    out = tmp_path / 'run'
    options = ['--device', 'cpu', '--seeds', '0', '1', '--epochs', '2', '--faces', '16']
    command = [sys.executable, '-m', 'port', parameters, '--out', out, *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and 'python -m d2lvae score' in done.stdout
    assert '8/8' in done.stderr
    facts = json.loads((out / 'run.json').read_text())
    assert facts['parameters']['num_epochs'] == 2 and facts['parameters']['solo_epochs'] == 1
    assert facts['data']['train'] == 16 and not facts['scrambled']
    for seed in (0, 1):
        folder = out / f'seed_{seed}'
        assert len((folder / 'epochs.csv').read_text().splitlines()) == 3
        with np.load(folder / 'pictures.npz') as pictures:
            assert pictures['X_hat'].shape == pictures['samples'].shape == (8, 3, 32, 32)
    before = (out / 'seed_1' / 'pictures.npz').stat().st_mtime_ns
    assert not __main__.main([str(parameters), '--out', str(out), *options])
    assert (out / 'seed_1' / 'pictures.npz').stat().st_mtime_ns == before


def test_a_killed_run_goes_on_as_if_nothing_had_happened(arguments, tmp_path):
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    assert not __main__.main([*arguments, '--out', str(whole)])
    arguments += ['--out', str(killed)]
    command = [sys.executable, '-m', 'port', *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    while not (killed / 'seed_0' / 'checkpoint.pt').exists() and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 1 <= len(outcome(killed)[2]) < 6
    assert not __main__.main(arguments)
    *found, rows = outcome(killed)
    *expected, expected_rows = outcome(whole)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert rows == expected_rows and len(rows) == 6


@pytest.mark.parametrize(
    'more, sentence',
    [
        (['--faces', '4', '--held-out', '2'], 'batch_size (8) must not be more than num_train (4)'),
        (['--resnet-base', '0'], 'Parameter disc_channels should be greater than or equal to 1'),
        (['--course', '/no/python'], '/no/python was not found: `make port-test` sets it up'),
        pytest.param(
            ['--device', 'cuda'],
            'PyTorch found no GPU here: use --device cpu',
            marks=pytest.mark.skipif(not NO_GPU, reason='There is a GPU.'),
        ),
    ],
)
def test_what_cannot_be_run_is_said_in_a_sentence(arguments, tmp_path, capsys, more, sentence):
    assert __main__.main([*arguments, '--course', str(COURSE), *more]) == 1
    said, error = capsys.readouterr()
    assert said == '' and error.startswith(sentence) and error.count('\n') == 1
    assert not (tmp_path / 'run').exists()


def test_a_folder_of_another_run_is_left_alone(arguments, tmp_path, capsys):
    assert not __main__.main(arguments)
    before = outcome(tmp_path / 'run')
    assert __main__.main([*arguments, '--scrambled']) == 1
    assert 'was begun with other parameters or pictures' in capsys.readouterr().err
    assert repr(outcome(tmp_path / 'run')) == repr(before)


def test_two_processes_do_not_train_one_seed(tmp_path):
    held = __main__.lock(tmp_path)
    with pytest.raises(PortError, match='is being trained by another process'):
        __main__.lock(tmp_path)
    held.close()
    __main__.lock(tmp_path).close()


def test_a_run_that_breaks_down_says_so(arguments, monkeypatch, capsys):
    monkeypatch.setattr(Trainer, 'kl_and_logits', lambda self, X, eps: broken(self, X, eps))

    def broken(trainer, X, eps):
        mu, log_var = trainer.vae.encode(X)
        return (mu * np.inf).sum(dim=1), trainer.vae.decode(mu)

    assert __main__.main(arguments) == 1
    assert 'Training broke down: kl is ' in capsys.readouterr().err.splitlines()[-1]


def test_generators_take_turns():
    said = []

    def steps(name, num):
        for i in range(num):
            said.append((name, i))
            yield

    __main__.take_turns([steps('a', 1), steps('b', 3), steps('c', 2)])
    assert said == [('a', 0), ('b', 0), ('c', 0), ('b', 1), ('c', 1), ('b', 2)]


# The study's two mistakes


def test_scrambled_faces_are_those_of_a_reshape():
    X = np.arange(2 * 3 * 4 * 4, dtype='float32').reshape(2, 3, 4, 4)
    expected = X.transpose(0, 2, 3, 1).reshape(X.shape)
    for layout in (torch.contiguous_format, torch.channels_last):
        found = noise.scrambled(torch.from_numpy(X).to(memory_format=layout))
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(noise.unscrambled(found), X)
    assert (expected != X).any()


def run_of(course, folder, **switches):
    start = handed_over([], course)
    switches = {'scrambled': False, 'nonnegative': False} | switches
    return Run(start, 0, folder, **switches, device=torch.device('cpu'))


def test_a_scrambled_run_is_fed_scrambled_and_leaves_pictures_as_they_were(quick_course, tmp_path):
    made = run_of(quick_course, tmp_path, scrambled=True)
    seen = []
    made.trainer.vae.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    pictures = made.pictures()
    X = torch.from_numpy(made.start.held_out).float() / 255
    torch.testing.assert_close(seen[0], noise.scrambled(X))
    vae = made.trainer.vae.eval()
    with torch.no_grad():
        expected = noise.unscrambled(torch.sigmoid(vae.decode(vae.encode(seen[0])[0])))
    np.testing.assert_array_equal(pictures['X_hat'], expected)
    draws = {n: torch.from_numpy(a)[0] for n, a in made.draws(0).items()}
    made.terms('solo', draws)
    X = torch.from_numpy(made.start.train)[draws['order']].float() / 255
    X = torch.where(draws['mirror'].view(-1, 1, 1, 1), X.flip(3), X)
    torch.testing.assert_close(seen[-1], noise.scrambled(X))


def test_the_latents_of_the_study_are_never_negative(quick_course, tmp_path):
    for nonnegative in (False, True):
        made = run_of(quick_course, tmp_path / str(nonnegative), nonnegative=nonnegative)
        mu, log_var = made.trainer.vae.encode(torch.from_numpy(made.start.train).float() / 255)
        assert nonnegative == (mu.min() >= 0 and log_var.min() >= 0).item()


# On a GPU


@pytest.mark.skipif(NO_GPU, reason='There is no GPU.')
def test_a_replayed_graph_trains_as_the_step_that_it_recorded():
    weights, replayed = torch.ones(2, 1, device='cuda'), []

    def step(inputs):
        weights[inputs['row']] += inputs['by']
        return weights.clone()

    graphed = Graphed(step)
    for i in range(WARM_UP + 3):
        inputs = {'row': torch.tensor(i % 2), 'by': torch.tensor(float(i))}
        replayed.append(graphed({n: t.cuda() for n, t in inputs.items()}).cpu().clone())
    assert replayed[-1].flatten().tolist() == [1 + 0 + 2 + 4, 1 + 1 + 3 + 5]


@pytest.mark.skipif(NO_GPU, reason='There is no GPU.')
def test_a_gpu_trains_as_a_cpu(arguments, tmp_path):
    assert not __main__.main(arguments)
    expected = outcome(tmp_path / 'run')[2]
    more = ['--device', 'cuda', '--precision', 'float32', '--out', str(tmp_path / 'cuda')]
    assert not __main__.main([*arguments, *more])
    for row, other in zip(outcome(tmp_path / 'cuda')[2], expected, strict=True):
        assert row['pbp'] == pytest.approx(other['pbp'], rel=1e-3)
