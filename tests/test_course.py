"""The course in one go, on two tiny chapters of which one fails."""

import json
import os
import signal
import sys
import time

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from tiny import python

from d2lvae.base import paths
from d2lvae.base.errors import CourseError
from d2lvae.runs.course import run_course

DRAW = """from d2lvae import plots
plots.lines('epoch', 'KL "in nats"', {'plain': [[1, 2]]})"""
CHECK = new_code_cell("print('checked ' * 2)", metadata={'tags': ['hide-cell']})
LONG = '5_3_400_' * 10


def write_chapter(folder, name, source):
    cells = [new_markdown_cell(f'# Chapter {name}'), new_code_cell(source), CHECK]
    nbformat.write(new_notebook(cells=cells), folder / f'{name}.ipynb')


@pytest.fixture(scope='module')
def course(tmp_path_factory):
    """(folder, CourseError) of a course whose first chapter fails."""
    folder = tmp_path_factory.mktemp('course')
    write_chapter(folder, '01_broken', "print('before')\nraise ValueError('seven\\nof nine')")
    write_chapter(folder, '02_whole', DRAW)
    for run, scale in (
        (f'VAE_on_MNIST/{LONG}', 'smoke'),
        ('VAE_on_MNIST/b', 'smoke'),
        ('VAE_on_MNIST/large', 'reference'),
        ('VAE_on_avatars/c', 'smoke'),
    ):
        path = folder / 'results' / run / 'summary.json'
        path.parent.mkdir(parents=True)
        metrics = {
            'psnr': {'mean': 17.125, 'ci95': None, 'values': [17.125]},
            'ssim': {'mean': 0.75, 'ci95': 0.125, 'values': [0.7, 0.8]},
        }
        summary = {'run': run, 'scale': scale, 'seeds': [0, 1]}
        path.write_text(json.dumps({**summary, 'metrics': metrics}))
    damaged = folder / 'results' / 'VAE_on_MNIST' / 'damaged' / 'summary.json'
    damaged.parent.mkdir()
    damaged.write_text('')  # by a power failure
    with pytest.raises(CourseError) as caught:
        run_course(folder, folder / 'results', folder / 'output')
    return folder, caught.value


def test_a_failing_chapter_is_named_with_its_reason(course):
    assert '01_broken (ValueError: seven of nine)' in str(course[1])
    assert '02_whole' not in str(course[1])


def test_a_failing_chapter_leaves_its_copy_with_the_error(course):
    copy = nbformat.read(course[0] / 'output' / '01_broken.ipynb', as_version=4)
    outputs = [output for cell in copy.cells for output in cell.get('outputs', [])]
    assert {'stream', 'error'} == {output.output_type for output in outputs}


def test_the_report_holds_both_chapters_the_table_and_the_picture(course):
    page = (course[0] / 'output' / 'report.html').read_text()
    assert 'Chapter 01_broken' in page and 'Chapter 02_whole' in page
    assert 'id="02_whole"' in page and 'href="#02_whole"' in page
    assert 'Failed: 01_broken' in page
    assert 'src="data:image/png;base64,' in page
    assert 'alt=\'KL "in nats" against epoch: plain.\'' in page
    assert 'checked checked' not in page
    assert '17.12' in page and '0.700 to 0.800' in page and '–' in page


def test_the_tables_hold_every_smoke_run_and_no_other(course):
    page = (course[0] / 'output' / 'report.html').read_text()
    digits, _, faces = page.partition('>Digits<')[2].partition('>Faces<')
    assert f'VAE_on_MNIST/{LONG}' in digits and 'VAE_on_MNIST/b' in digits
    assert 'VAE_on_avatars/c' in faces and 'checkerboard' in faces
    assert 'VAE_on_avatars' not in digits and 'VAE_on_MNIST' not in faces
    assert 'VAE_on_MNIST/large' not in page


def test_the_chapters_themselves_are_not_changed(course):
    chapter = nbformat.read(course[0] / '02_whole.ipynb', as_version=4)
    assert chapter.cells[1].execution_count is None


def test_without_chapters_it_says_so(tmp_path):
    with pytest.raises(CourseError, match='holds no chapter'):
        run_course(tmp_path, tmp_path, tmp_path / 'output')


def outputs(folder, name):
    """What the first code cell of the executed copy of a chapter has printed."""
    copy = nbformat.read(folder / 'output' / f'{name}.ipynb', as_version=4)
    return ''.join(output.text for output in copy.cells[1].outputs)


LOCK = """from pathlib import Path
import time
from d2lvae.base import files
from d2lvae.base.errors import LockedError
def wait_for(name):
    while not Path(name).exists():
        time.sleep(0.05)
"""
HOLDS = (
    LOCK
    + """with files.locked(Path('run'), 'x'):
    Path('held').touch()
    wait_for('asked')
"""
)
ASKS = (
    LOCK
    + """wait_for('held')
try:
    with files.locked(Path('run'), 'x'):
        print('was let in')
except LockedError:
    Path('asked').touch()
    raise
"""
)


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _: {0, 1})


def test_chapters_run_side_by_side_and_what_finds_a_seed_locked_runs_again(
    tmp_path, two_cores, capsys
):
    """Each of the two waits for the other one: one after the other, they would never end."""
    write_chapter(tmp_path, '01_asks', ASKS)
    write_chapter(tmp_path, '02_holds', HOLDS)
    run_course(tmp_path, tmp_path / 'results', tmp_path / 'output')
    assert outputs(tmp_path, '01_asks') == 'was let in\n'
    stdout = capsys.readouterr().out
    assert '01_asks: done' in stdout and '02_holds: done' in stdout


def test_a_seed_that_is_locked_by_another_process_is_a_failure(tmp_path):
    source = "from d2lvae.base.errors import LockedError\nraise LockedError('x')"
    write_chapter(tmp_path, '01', source)
    with pytest.raises(CourseError, match=r'Failed: 01 \(LockedError: x\)'):
        run_course(tmp_path, tmp_path / 'results', tmp_path / 'output')


def test_what_a_user_has_set_for_other_notebooks_changes_nothing(tmp_path, monkeypatch):
    kernel = tmp_path / 'jupyter' / 'kernels' / 'python3' / 'kernel.json'
    kernel.parent.mkdir(parents=True)
    other = {'argv': ['/bin/false'], 'display_name': 'other', 'language': 'python'}
    kernel.write_text(json.dumps(other))
    startup = tmp_path / 'ipython' / 'profile_default' / 'startup' / 'mine.py'
    startup.parent.mkdir(parents=True)
    startup.write_text("print('hello from the profile')")
    for name, value in {
        'JUPYTER_PATH': str(tmp_path / 'jupyter'),
        'IPYTHONDIR': str(tmp_path / 'ipython'),
        'MPLBACKEND': 'agg',
        'OMP_NUM_THREADS': '7',
    }.items():
        monkeypatch.setenv(name, value)
    names = ('MPLBACKEND', 'OMP_NUM_THREADS', 'D2LVAE_RUNS')
    source = f'import os, sys\nprint(sys.executable, *map(os.environ.get, {names}))'
    write_chapter(tmp_path, '01', source)
    run_course(tmp_path, tmp_path / 'results', tmp_path / 'output')
    backend = 'module://matplotlib_inline.backend_inline'  # which IPython sets
    expected = f'{sys.executable} {backend} 1 {paths.RUNS}\n'
    assert outputs(tmp_path, '01') == expected


STARTED = "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(600)"


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGKILL])
def test_chapters_end_with_the_course(tmp_path, number):
    write_chapter(tmp_path, '01', STARTED)
    code = 'import sys; from pathlib import Path; from d2lvae.runs.course import run_course; '
    code += 'path = Path(sys.argv[1]); run_course(path, path / "results", path / "output")'
    process = python('-c', code, str(tmp_path), runs=tmp_path / 'runs')
    kernel = wait_until(lambda: (tmp_path / 'pid').exists() and (tmp_path / 'pid').read_text())
    process.send_signal(number)
    process.communicate(timeout=600)
    wait_until(lambda: not psutil.pid_exists(int(kernel)))


def wait_until(there, seconds=300):
    end = time.monotonic() + seconds
    while not (found := there()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found
