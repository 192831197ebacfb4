"""The command line: what it prints, what it returns, and one run from end to end."""

import os
import re
import subprocess
import sys
import zipfile

import pytest
from PIL import Image
from test_faces import ordinary  # noqa: F401
from tiny import python

from d2lvae.__main__ import main
from d2lvae.base import paths
from d2lvae.data.idx import idx_bytes
from d2lvae.data.mnist import load_mnist
from d2lvae.runs import catalogue

GAN = '5_3_400_1_200_50'
BCE = '5_3_400_bce_50'
SMALL = {'num_train': 256, 'num_held_out': 64, 'num_epochs': 1}


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """Where a module's tests run, at a smoke scale that is smaller still."""
    folder = tmp_path_factory.mktemp('runs')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, 'RUNS', folder)
        patch.setattr(paths, 'RESULTS', folder / 'no_results')
        for name, value in SMALL.items():
            patch.setitem(catalogue.SMOKE, name, value)
        yield folder


@pytest.fixture
def output(capsys):
    """Run a command; its exit code, and what it printed to either stream."""

    def output(*arguments):
        capsys.readouterr()
        code = main(arguments)
        return code, *capsys.readouterr()

    return output


def one_line(stderr):
    assert stderr.count('\n') == 1 and stderr.endswith('\n')
    return stderr


def test_without_a_command_every_run_is_listed_with_its_state(tmp_path):
    process = python('-m', 'd2lvae', runs=tmp_path, cwd=tmp_path)
    stdout, stderr = process.communicate(timeout=600)
    assert (process.returncode, stderr) == (0, '')
    rows = [re.search(r'(\S+_on_\S+) +(.+)', line).groups() for line in stdout.splitlines()]
    assert [name for name, _ in rows] == list(catalogue.entries())
    assert all(state == catalogue.find(name).state for name, state in rows)


@pytest.mark.parametrize('arguments', [[], ['list'], ['--help'], ['run', '--help']])
def test_a_reader_that_has_enough_ends_the_command_without_a_word(tmp_path, arguments):
    process = python('-m', 'd2lvae', *arguments, runs=tmp_path)
    process.stdout.close()
    assert process.stderr.read() == ''
    assert process.wait() in (0, 141)  # 0: all was written before


def test_without_a_standard_output_a_command_does_its_work(tmp_path):
    command = f'{sys.executable} -m d2lvae list >&-'
    process = subprocess.run(command, shell=True, stderr=subprocess.PIPE, cwd=paths.ROOT)
    assert (process.returncode, process.stderr) == (0, b'')


AFTERWARDS = """
import contextlib, runpy
with contextlib.suppress(SystemExit):
    runpy.run_module('d2lvae', run_name='__main__')
import matplotlib.pyplot as plt
plt.figure()
print('↑', plt.get_backend())
"""


def test_no_window_is_opened_and_no_letter_stops_a_command(tmp_path, monkeypatch):
    monkeypatch.setenv('MPLBACKEND', 'TkAgg')
    monkeypatch.setenv('PYTHONIOENCODING', 'ascii')
    process = python('-c', AFTERWARDS, runs=tmp_path, cwd=tmp_path)
    stdout, stderr = process.communicate(timeout=600)
    assert stdout.endswith('\n? agg\n') and stderr == ''


def test_a_folder_that_may_not_be_used_ends_with_one_line(ordinary, output, monkeypatch):  # noqa: F811
    monkeypatch.setattr(paths, 'RESULTS', ordinary / 'results')
    (ordinary / 'results').mkdir(mode=0)
    code, _, stderr = output('list')
    assert code == 1 and str(ordinary / 'results') in one_line(stderr)


@pytest.mark.parametrize('threads', ['', ' ', '0', '-1', 'many', '3,2', '3'])
def test_whatever_omp_num_threads_holds_there_is_a_number_of_threads(tmp_path, threads):
    code = 'import d2lvae, os; from d2lvae.base.machine import circumstances as c; '
    code += 'print(c()["threads"], os.environ["OMP_NUM_THREADS"])'
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('OMP_NUM_THREADS', threads)
        process = python('-c', code, runs=tmp_path)
    stdout, stderr = process.communicate(timeout=600)
    expected = 3 if '3' in threads else len(os.sched_getaffinity(0))
    assert (stdout, stderr) == (f'{expected} {expected}\n', '')


def test_an_unknown_run_ends_the_process_with_1_and_one_line(tmp_path):
    process = python('-m', 'd2lvae', 'run', 'no_such_run', runs=tmp_path)
    stdout, stderr = process.communicate(timeout=600)
    assert (process.returncode, stdout) == (1, '')
    assert 'There is no run no_such_run' in one_line(stderr)


def test_list_is_what_comes_without_a_command(runs, output):
    assert output('list') == output()


@pytest.mark.parametrize('arguments', [['fly'], ['run'], ['run', BCE, '--scale', 'huge']])
def test_wrong_usage_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as e:
        main(arguments)
    assert e.value.code == 2
    assert 'usage: python -m d2lvae' in capsys.readouterr().err


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as e:
        main(['--help'])
    assert e.value.code == 0
    text = capsys.readouterr().out
    assert all(f'    {name} ' in text for name in ('list', 'data', 'run', 'evaluate', 'tables'))


def test_data_says_that_the_digits_are_there(output):
    code, stdout, stderr = output('data')
    assert not code and 'MNIST is there and whole' in stdout and not stderr
    assert '1000 avatars are there' in stdout and '2800 avatars are there' in stdout


def test_evaluating_what_was_not_run_ends_with_one_line(output, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, 'RUNS', tmp_path / 'runs')
    for name, grey in (('a.png', 0), ('b.png', 99)):
        Image.linear_gradient('L').point(lambda x, g=grey: max(x - g, 0)).save(tmp_path / name)
    code, stdout, stderr = output('evaluate', BCE, '--data', str(tmp_path))
    assert code == 1 and not stdout
    assert 'has no finished seed 0 on this machine: run it first' in one_line(stderr)


@pytest.mark.parametrize('seed', ['-1', str(2**32)])
def test_a_seed_out_of_range_ends_with_one_line(runs, output, seed):
    code, _, stderr = output('run', BCE, '--seeds', seed)
    assert code == 1 and f'A seed is a number from 0 to 2**32 - 1, but was {seed}' in stderr
    assert one_line(stderr)


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(runs, output, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr('d2lvae.training.Trainer.fit_epoch', interrupted)
    code, _, stderr = output('run', BCE, '--seeds', '7')
    assert code == 130 and 'start the same command again' in one_line(stderr)


# From end to end: a run with its control, then other pictures


@pytest.fixture(scope='module')
def ran(runs):
    """The exit code of a smoke run of the row with a discriminator."""
    return main(['run', GAN, '--seeds', '0', '1'])


def test_a_run_is_written_to_its_folder_and_named(runs, ran, output):
    assert not ran
    code, stdout, stderr = output('run', GAN, '--seeds', '0', '1')
    experiment = catalogue.find(GAN).at('smoke')
    assert not code and not stderr
    assert stdout.splitlines()[-1] == f'Written to {experiment.published}'
    assert experiment.published.is_relative_to(runs)
    assert (experiment.published / 'summary.json').is_file()
    printed = dict(line.split() for line in stdout.splitlines()[:-1])
    assert {'train_loss', 'psnr', 'control_psnr', 'digit_accuracy'} <= set(printed)
    assert all(float(value) == float(value) for value in printed.values())


def test_a_run_trains_its_control_too_and_touches_no_results(runs, ran):
    control = catalogue.find(BCE).at('smoke')
    assert control.statistics(0) and control.statistics(1)
    assert not (runs / 'no_results').exists()


def test_digits_in_a_file_are_evaluated(runs, ran, output, tmp_path):
    (_, _, images, labels), _ = load_mnist(paths.DATA)
    for name, array in (('images-idx3', images), ('labels-idx1', labels)):
        (tmp_path / f'few-{name}-ubyte').write_bytes(idx_bytes(array[:64]))
    code, stdout, _ = output('evaluate', GAN, '--data', str(tmp_path / 'few-images-idx3-ubyte'))
    printed = dict(line.split() for line in stdout.splitlines())
    summary = catalogue.load_summary(catalogue.find(GAN).at('smoke').published)
    assert not code
    for name in ('psnr', 'ssim', 'kl', 'digit_accuracy'):
        assert printed[name] == f'{summary["metrics"][name]["values"][0]:.4f}'


def test_digits_in_a_zip_of_16_bit_pictures_are_the_same_digits(runs, ran, output, tmp_path):
    (_, _, images, _), _ = load_mnist(paths.DATA)
    with zipfile.ZipFile(tmp_path / 'few.zip', 'w') as packed:
        for i, digit in enumerate(images[:64]):
            Image.fromarray(digit.astype('uint16') * 257).save(tmp_path / 'a.png')
            packed.write(tmp_path / 'a.png', f'{i:02}.png')
    code, stdout, _ = output('evaluate', GAN, '--data', str(tmp_path / 'few.zip'))
    summary = catalogue.load_summary(catalogue.find(GAN).at('smoke').published)
    printed = dict(line.split() for line in stdout.splitlines())
    assert not code and printed['psnr'] == f'{summary["metrics"]["psnr"]["values"][0]:.4f}'


def test_another_seed_is_evaluated_on_request(runs, ran, output, tmp_path):
    (_, _, images, _), _ = load_mnist(paths.DATA)
    (tmp_path / 'few').write_bytes(idx_bytes(images[:64]))
    code, stdout, _ = output('evaluate', GAN, '--data', str(tmp_path / 'few'), '--seed', '1')
    summary = catalogue.load_summary(catalogue.find(GAN).at('smoke').published)
    printed = dict(line.split() for line in stdout.splitlines())
    assert not code and 'digit_accuracy' not in printed
    assert printed['psnr'] == f'{summary["metrics"]["psnr"]["values"][1]:.4f}'


def test_a_missing_file_to_evaluate_ends_with_one_line(output, tmp_path):
    code, _, stderr = output('evaluate', GAN, '--data', str(tmp_path / 'none'))
    assert code == 1 and 'is neither a file nor a folder' in one_line(stderr)
