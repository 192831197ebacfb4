"""The generated tables: the study's figures, and ours from the results folder."""

import json

import pytest

from d2lvae import catalogue, paths, tables
from d2lvae.errors import CourseError

BCE = 'DenseVAE_on_MNIST/5_3_400_bce_50'
L2 = 'DenseVAE_on_MNIST/5_3_400_l2_50'
METRICS = {
    'train_loss': {'mean': 108.126, 'ci95': 0.254, 'values': [108.1, 108.152]},
    'psnr': {'mean': 16.504, 'ci95': None, 'values': [16.504]},
    'digit_accuracy': {'mean': 0.97, 'ci95': 0.0126, 'values': [0.969, 0.971]},
}
README = f'# Title\n\n{tables.BEGIN}\nold numbers\n{tables.END}\n\nThe end.\n'


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A repository with a README and the result of one run."""
    monkeypatch.setattr(paths, 'ROOT', tmp_path)
    monkeypatch.setattr(paths, 'RESULTS', tmp_path / 'results')
    folder = tmp_path / 'results' / BCE
    folder.mkdir(parents=True)
    summary = {'seeds': [0, 1], 'seconds_total': 1500.0, 'metrics': METRICS}
    (folder / 'summary.json').write_text(json.dumps(summary))
    (tmp_path / 'README.md').write_text(README)
    return tmp_path


def cells(table, run):
    """The cells of a run's row by their column's heading."""
    lines = [[cell.strip() for cell in line.strip('|').split('|')] for line in table.splitlines()]
    [row] = [line for line in lines if run in line[1]]
    return dict(zip(lines[0], row))


def test_a_finished_run_stands_beside_the_studys_figures(root):
    assert cells(tables.results_table('link/{}'.format), BCE) == {
        'ch.': '01',
        'run': f'[`{BCE}`](link/{BCE})',
        'loss (study)': '108.19 (train, epoch 40)',
        'PSNR (study)': '16.51',
        'sharpness (study)': '0.41',  # 0.073 of the real digits' 0.177
        'train loss': '108.13 ± 0.25',
        'held-out loss': '–',
        'log-lik.': '–',
        'PSNR': '16.50',
        'SSIM': '–',
        'sharpness': '–',
        'digits': '0.970 ± 0.013',
        'Fréchet': '–',
        'min.': '12',
        'state': 'done, seeds 0 1',
    }


def test_a_run_without_a_result_has_the_studys_figures_alone(root):
    row = cells(tables.results_table(str), L2)
    assert list(row.values()) == [
        '01',
        f'`{L2}`',
        '28.68 (train, epoch 40)',
        '15.81',
        '0.29',
        *[''] * 9,
        'to run',
    ]


def test_every_run_of_the_study_and_of_ours_has_one_row_of_full_length(root):
    lines = tables.results_table(str).splitlines()
    assert len({line.count('|') for line in lines}) == 1
    named = [line.split('`')[1] for line in lines[2:]]
    assert sorted(named) == sorted({*catalogue.study()['folder'], *catalogue.entries()})


def test_our_recipes_follow_the_row_that_they_stand_for(root):
    named = [line.split('`')[1] for line in tables.results_table(str).splitlines()[2:]]
    for folder, entry in catalogue.entries().items():
        between = named[named.index(entry.study_row) : named.index(folder)]
        assert all(catalogue.entries()[name].study_row == entry.study_row for name in between)


def test_the_readme_keeps_everything_but_its_generated_part(root):
    written = tables.write_tables()
    assert written == (root / 'README.md', root / 'results' / 'README.md')
    text = (root / 'README.md').read_text()
    before, generated = text.split(tables.BEGIN)
    table, after = generated.split(tables.END)
    assert (before, after) == ('# Title\n\n', '\n\nThe end.\n')
    assert table.strip() == tables.results_table('results/{}'.format)
    assert 'old numbers' not in text and f'](results/{BCE})' in text


def test_writing_again_changes_nothing(root):
    first = [path.read_text() for path in tables.write_tables()]
    assert [path.read_text() for path in tables.write_tables()] == first


def test_the_gallery_shows_the_pictures_of_finished_runs_only(root):
    tables.write_tables()
    text = (root / 'results' / 'README.md').read_text()
    for name in ('reconstructions', 'samples', 'curves'):
        assert f']({BCE}/{name}.png)' in text
    assert f'## {BCE}' in text and f'## {L2}' not in text
    assert f'stands for the row `{BCE}`' in text
    assert f'[`{BCE}`]({BCE})' in text


@pytest.mark.parametrize('line', [tables.BEGIN, tables.END])
def test_a_readme_without_its_markers_ends_with_a_sentence_and_is_left(root, line):
    spoilt = README.replace(line, '')
    (root / 'README.md').write_text(spoilt)
    with pytest.raises(CourseError, match='has lost the two lines') as e:
        tables.write_tables()
    assert tables.BEGIN in str(e.value) and '\n' not in str(e.value)
    assert (root / 'README.md').read_text() == spoilt
    assert not (root / 'results' / 'README.md').exists()
