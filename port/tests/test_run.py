"""The command: it trains on a CPU, goes on after a kill, and says in a sentence what is wrong."""

import json
import signal
import subprocess
import time

import numpy as np
import pytest
import torch

from port import __main__, noise
from port.graph import WARM_UP, Graphed
from port.run import Run
from port.start import ROOT, handed_over

NO_GPU = not torch.cuda.is_available()


def run(command, **options):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, **options)
    return done.returncode, done.stdout, done.stderr


def outcome(folder):
    """The weights and statistics of a finished seed; of these all but the seconds."""
    content = torch.load(folder / 'seed_0' / 'checkpoint.pt', weights_only=True)
    rows = [{n: v for n, v in row.items() if n != 'seconds'} for row in content['rows']]
    return content['states'], rows, content['ratio'].item()


def test_a_run_leaves_what_is_scored_and_ends_at_once_when_repeated(command, tmp_path):
    code, said, progress = run([*command, '--seeds', '0', '1', '--epochs', '2'])
    assert code == 0 and 'python -m d2lvae score' in said and '16/16' in progress
    facts = json.loads((tmp_path / 'run' / 'run.json').read_text())
    assert facts['parameters']['num_epochs'] == 2 and facts['parameters']['solo_epochs'] == 1
    assert facts['data']['train'] == 32 and not facts['scrambled']
    for seed in (0, 1):
        folder = tmp_path / 'run' / f'seed_{seed}'
        assert len((folder / 'epochs.csv').read_text().splitlines()) == 3
        with np.load(folder / 'pictures.npz') as pictures:
            assert pictures['X_hat'].shape == pictures['samples'].shape == (8, 3, 32, 32)
    before = (tmp_path / 'run' / 'seed_1' / 'pictures.npz').stat().st_mtime_ns
    assert run([*command, '--seeds', '0', '1', '--epochs', '2'])[0] == 0
    assert (tmp_path / 'run' / 'seed_1' / 'pictures.npz').stat().st_mtime_ns == before


def test_a_killed_run_goes_on_as_if_nothing_had_happened(command, tmp_path):
    command[command.index('--out') + 1] = str(tmp_path / 'whole')
    assert run(command)[0] == 0
    command[command.index('--out') + 1] = str(tmp_path / 'killed')
    checkpoint = tmp_path / 'killed' / 'seed_0' / 'checkpoint.pt'
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    while not checkpoint.exists() and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 1 <= len(outcome(tmp_path / 'killed')[1]) < 6
    assert run(command)[0] == 0
    for found, expected in zip(outcome(tmp_path / 'killed'), outcome(tmp_path / 'whole')):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    'more, sentence',
    [
        (['--faces', '4'], 'batch_size (8) must not be more than num_train (4)'),
        (['--resnet-base', '0'], 'Parameter disc_channels should be greater than or equal to 1'),
        (['--course', '/no/python'], '/no/python was not found: `make port-test` sets it up'),
        pytest.param(
            ['--device', 'cuda'],
            'PyTorch found no GPU here: use --device cpu',
            marks=pytest.mark.skipif(not NO_GPU, reason='There is a GPU.'),
        ),
    ],
)
def test_what_cannot_be_run_is_said_in_a_sentence(command, tmp_path, more, sentence):
    code, said, error = run([*command, *more])
    assert (code, said) == (1, '') and error.startswith(sentence) and error.count('\n') == 1
    assert not (tmp_path / 'run').exists()


def test_a_folder_of_another_run_is_left_alone(command, tmp_path):
    assert run([*command, '--epochs', '1'])[0] == 0
    before = (tmp_path / 'run' / 'run.json').read_bytes()
    code, _, error = run([*command, '--epochs', '1', '--scrambled'])
    assert code == 1 and 'was begun with other parameters or pictures' in error
    assert (tmp_path / 'run' / 'run.json').read_bytes() == before


def test_two_processes_do_not_train_one_seed(tmp_path):
    held = __main__.lock(tmp_path)
    with pytest.raises(__main__.PortError, match='is being trained by another process'):
        __main__.lock(tmp_path)
    held.close()
    __main__.lock(tmp_path).close()


def test_a_run_that_breaks_down_says_so(command, parameters):
    parameters.write_text(
        parameters.read_text().replace('disc_weight: 10.0', 'disc_weight: 1.0e38')
    )
    code, _, error = run(command)
    assert code == 1 and 'Training broke down: ' in error.splitlines()[-1]


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


def run_of(parameters, folder, **switches):
    start = handed_over([parameters, '--epochs', '1'])
    switches = {'scrambled': False, 'nonnegative': False} | switches
    return Run(start, 0, folder, **switches, device=torch.device('cpu'))


def test_a_scrambled_run_is_fed_scrambled_and_leaves_pictures_as_they_were(parameters, tmp_path):
    made = run_of(parameters, tmp_path, scrambled=True)
    seen = []
    made.trainer.vae.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    pictures = made.pictures()
    X = torch.from_numpy(made.start.held_out).float() / 255
    torch.testing.assert_close(seen[0], noise.scrambled(X))
    vae = made.trainer.vae.eval()
    with torch.no_grad():
        expected = noise.unscrambled(torch.sigmoid(vae.decode(vae.encode(seen[0])[0])))
    np.testing.assert_array_equal(pictures['X_hat'], expected)
    draws = {n: torch.from_numpy(a[0]) for n, a in made.draws(0).items()}
    made.terms('solo', draws)
    X = torch.from_numpy(made.start.train)[draws['order']].float() / 255
    X = torch.where(draws['mirror'].view(-1, 1, 1, 1), X.flip(3), X)
    torch.testing.assert_close(seen[-1], noise.scrambled(X))


def test_the_latents_of_the_study_are_never_negative(parameters, tmp_path):
    for nonnegative in (False, True):
        made = run_of(parameters, tmp_path / str(nonnegative), nonnegative=nonnegative)
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
def test_a_gpu_trains_as_a_cpu(command, tmp_path):
    assert run(command)[0] == 0
    expected = outcome(tmp_path / 'run')[1]
    cuda = [*command, '--device', 'cuda', '--precision', 'float32']
    cuda[cuda.index('--out') + 1] = str(tmp_path / 'cuda')
    assert run(cuda)[0] == 0
    for row, other in zip(outcome(tmp_path / 'cuda')[1], expected, strict=True):
        assert row['pbp'] == pytest.approx(other['pbp'], rel=1e-3)
