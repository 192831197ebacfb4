"""What the pages are made of, checked without a browser."""

import json
import re
import unicodedata

import extension
import pytest
import yaml
from explorer import export
from pybtex.database import parse_file

from conftest import BOOK, ROOT

CITED = re.compile(r"([^\W\d_][\w'-]+)(?: et al\.| and [^\W\d_][\w-]+),? \(?((?:19|20)\d\d)\b")
ARXIV = re.compile(r'arxiv\.org/abs/(\d{4}\.\d{4,5})')


def letters(name):
    """A surname without accents, be they Unicode's or LaTeX's."""
    return re.sub(r'[^A-Za-z]', '', unicodedata.normalize('NFKD', name))


@pytest.fixture(scope='module')
def text():
    """The package's modules and the chapters' prose."""
    modules = [path.read_text() for path in (ROOT / 'd2lvae').rglob('*.py')]
    chapters = [json.loads(path.read_text()) for path in (ROOT / 'notebooks').glob('*.ipynb')]
    cells = [cell for chapter in chapters for cell in chapter['cells']]
    prose = [''.join(cell['source']) for cell in cells if cell['cell_type'] == 'markdown']
    return re.sub(r'\s+', ' ', '\n'.join(modules + prose))


@pytest.fixture(scope='module')
def entries():
    return parse_file(str(BOOK / 'references.bib')).entries.values()


def test_every_cited_paper_is_in_the_bibliography(text, entries):
    known = {
        (letters(''.join(person.last_names)), entry.fields['year'])
        for entry in entries
        for person in entry.persons['author']
    }
    cited = {(letters(name), year) for name, year in CITED.findall(text)}
    assert len(cited) > 20
    assert cited - known == set()


def test_every_linked_paper_is_in_the_bibliography(text, entries):
    linked = set(ARXIV.findall(text))
    assert linked and linked - {entry.fields.get('eprint') for entry in entries} == set()


def test_docstrings_become_restructuredtext():
    found = extension.in_roles('`a*b` costs $|a|$, |b| or *args: $$x\n= y$$ *so* it is')
    assert found == (
        '``a*b`` costs :math:`|a|`, \\|b\\| or \\*args: '
        '\n\n.. math::\n\n   x\n   = y\n\n *so* it is'
    )


def test_runs_that_differ_in_more_than_the_weight_are_refused(tmp_path):
    for name, changes in {'a': {}, 'b': {'disc_weight': 2}, 'c': {'lr': 0.1}}.items():
        folder = tmp_path / 'results' / name
        folder.mkdir(parents=True)
        parameters = {'lr': 0.2, 'disc_weight': 1, **changes}
        (folder / 'parameters.yaml').write_text(yaml.safe_dump(parameters))
    export.check_alike(tmp_path, 'a', ['b'])
    with pytest.raises(SystemExit, match='differs .* lr'):
        export.check_alike(tmp_path, 'a', ['b', 'c'])


def test_faces_are_cut_without_their_rim():
    run = yaml.safe_load((BOOK / 'explorer/runs.yml').read_text())['blind']
    rows = export.faces(ROOT / 'results' / run / 'reconstructions.png')
    assert [len(row) for row in rows] == [10, 10]
    shapes = {face.shape for row in rows for face in row}
    assert len(shapes) == 1
    height, width, channels = shapes.pop()
    assert height == width > 60 and channels == 3


def test_pictures_of_another_layout_are_refused():
    run = yaml.safe_load((BOOK / 'explorer/runs.yml').read_text())['blind']
    with pytest.raises(SystemExit, match='not two rows of 10'):
        export.faces(ROOT / 'results' / run / 'samples.png')
