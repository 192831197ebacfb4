"""The course in one go, on two tiny chapters of which one fails."""

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from d2lvae.base.errors import CourseError
from d2lvae.runs.course import run_course

DRAW = """from d2lvae import plots
plots.lines('epoch', 'KL "in nats"', {'plain': [[1, 2]]})"""
CHECK = new_code_cell("print('checked ' * 2)", metadata={'tags': ['hide-cell']})
LONG = '5_3_400_' * 10


@pytest.fixture(scope='module')
def course(tmp_path_factory):
    """(folder, CourseError) of a course whose first chapter fails."""
    folder = tmp_path_factory.mktemp('course')
    for name, source in (
        ('01_broken', "print('before')\nraise ValueError('seven\\nof nine')"),
        ('02_whole', DRAW),
    ):
        cells = [new_markdown_cell(f'# Chapter {name}'), new_code_cell(source), CHECK]
        nbformat.write(new_notebook(cells=cells), folder / f'{name}.ipynb')
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
