"""The generated tables: the study's figures, and ours from the results folder."""

import json

import pytest

from d2lvae.base import paths
from d2lvae.base.errors import CourseError
from d2lvae.runs import catalogue, tables

BCE = 'DenseVAE_on_MNIST/5_3_400_bce_50'
L2 = 'DenseVAE_on_MNIST/5_3_400_l2_50'
CONV, OUR_CONV = 'ConvVAE_on_anime/512_32_200_seeded', 'ConvVAE_on_anime/512_32_20_seeded'
BASELINE = 'ConvVAE_ResNet_on_anime/512_32_200_10_1'  # in three groups, of two chapters
METRICS = {
    'train_loss': {'mean': 108.126, 'ci95': 0.254, 'values': [108.1, 108.152]},
    'psnr': {'mean': 16.504, 'ci95': None, 'values': [16.504]},
    'digit_accuracy': {'mean': 0.97, 'ci95': 0.0126, 'values': [0.969, 0.971]},
}
FACE_METRICS = {
    'train_loss': {'mean': 6500.126, 'ci95': None, 'values': [6500.126]},
    'sharpness_ratio': {'mean': 0.0249, 'ci95': None, 'values': [0.0249]},
    'checkerboard_ratio': {'mean': 0.504, 'ci95': None, 'values': [0.504]},
    'swd_samples': {'mean': 0.12345, 'ci95': None, 'values': [0.12345]},
}
README = f'# Title\n\n{tables.BEGIN}\nold numbers\n{tables.END}\n\nThe end.\n'


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A repository with a README and the result of one run of digits and one of faces."""
    monkeypatch.setattr(paths, 'ROOT', tmp_path)
    monkeypatch.setattr(paths, 'RESULTS', tmp_path / 'results')
    for run, seeds, metrics in ((BCE, [0, 1], METRICS), (OUR_CONV, [0], FACE_METRICS)):
        folder = tmp_path / 'results' / run
        folder.mkdir(parents=True)
        summary = {'run': run, 'seeds': seeds, 'seconds_total': 1500.0, 'metrics': metrics}
        (folder / 'summary.json').write_text(json.dumps(summary))
    (tmp_path / 'README.md').write_text(README)
    return tmp_path


def cells(table, run):
    """The cells of a run's row by their column's heading."""
    lines = [[cell.strip() for cell in line.strip('|').split('|')] for line in table.splitlines()]
    [row] = [line for line in lines if run in line[1]]
    return dict(zip(lines[0], row))


def test_a_finished_run_stands_beside_the_studys_figures(root):
    assert cells(tables.results_table('Digits', 'link/{}'.format), BCE) == {
        'ch.': '01',
        'run': f'[`{BCE}`](link/{BCE})',
        'loss (study)': '108.19 (train, epoch 40)',
        'PSNR (study)': '16.51',
        'sharpness (study)': '0.41',  # 0.073 of the real digits' 0.177
        'train loss': '108.13 ± 0.25',
        'held-out loss': '–',
        'PSNR': '16.50',
        'SSIM': '–',
        'sharpness': '–',
        'log-lik.': '–',
        'digits': '0.970 ± 0.013',
        'Fréchet': '–',
        'min.': '12',
        'state': 'done, seeds 0 1',
    }


def test_a_finished_run_of_faces_has_its_own_columns_and_the_name_of_what_was_run(root):
    assert cells(tables.results_table('Faces', 'link/{}'.format), OUR_CONV) == {
        'ch.': '03',
        'run': f'[`{OUR_CONV}`](link/{OUR_CONV})',
        'loss (study)': '6500.44',
        'PSNR (study)': '15.82',
        'sharpness (study)': '0.03',  # 0.00423 of the real faces' 0.148
        'train loss': '6500.13',
        'held-out loss': '–',
        'PSNR': '–',
        'SSIM': '–',
        'sharpness': '0.02',
        'spectrum': '–',
        'checkerboard': '0.50',
        'SWD': '–',
        'SWD of samples': '0.1235',
        'kernel': '–',
        'min.': '25',
        'state': 'done, seeds 0',
    }


def test_a_run_without_a_result_has_the_studys_figures_alone(root):
    row = cells(tables.results_table('Digits', str), L2)
    assert list(row.values()) == [
        '01',
        f'`{L2}`',
        '28.68 (train, epoch 40)',
        '15.81',
        '0.29',
        *[''] * 9,
        'to run',
    ]


def test_a_row_of_several_groups_stands_once_with_all_its_chapters(root):
    row = cells(tables.results_table('Faces', str), f'`{BASELINE}`')
    assert (row['ch.'], row['state']) == ('04, 05', 'to run')
    assert row['loss (study)'] == '6829.6' and row['PSNR'] == ''


@pytest.mark.parametrize(
    'run, chapters',
    [
        ('512_32_20_adaptive_1', '04'),  # of the baseline's row, which chapter 05 has too
        ('512_32_10+10_10_1_warmup2_ramp2', '05'),
        ('512_32_20_train3200', '04, 05'),  # the control of their groups, without a row in them
        ('5_3_400_bce_150_jitter0.4_binarised_cosine', '01'),
    ],
)
def test_a_recipe_stands_in_the_chapters_of_its_groups(run, chapters):
    assert tables.chapters_of(catalogue.find(run)) == chapters


both = pytest.mark.parametrize('kind', ['Digits', 'Faces'])


def named(kind):
    """The runs that a table names, in its order; the study's name of those without a result."""
    return [line.split('`')[1] for line in tables.results_table(kind, str).splitlines()[2:]]


@both
def test_every_run_of_the_study_and_of_ours_has_one_row_of_full_length(root, kind):
    lines = tables.results_table(kind, str).splitlines()
    assert len({line.count('|') for line in lines}) == 1
    names = {*catalogue.study()['folder'], *catalogue.entries()}
    names = {OUR_CONV if name == CONV else name for name in names}
    expected = {name for name in names if ('_on_MNIST/' in name) == (kind == 'Digits')}
    assert sorted(named(kind)) == sorted(expected)


@both
def test_our_recipes_follow_the_row_that_they_stand_for(root, kind):
    names = [CONV if name == OUR_CONV else name for name in named(kind)]
    study = set(catalogue.study()['folder'])
    own = [name for name in names if catalogue.entries().get(name) and name not in study]
    assert own
    for name in own:
        row = catalogue.entries()[name].study_row
        between = names[names.index(row) : names.index(name)]
        assert all(catalogue.entries()[other].study_row == row for other in between)


def test_both_tables_stand_under_their_headings(root):
    text = tables.results_tables(str)
    assert text.index('### Digits') < text.index(BCE) < text.index('### Faces')
    assert text.index('### Faces') < text.index(OUR_CONV)
    for kind in ('Digits', 'Faces'):
        assert tables.results_table(kind, str) in text


def test_the_readme_keeps_everything_but_its_generated_part(root):
    written = tables.write_tables()
    assert written == (root / 'README.md', root / 'results' / 'README.md')
    text = (root / 'README.md').read_text()
    before, generated = text.split(tables.BEGIN)
    table, after = generated.split(tables.END)
    assert (before, after) == ('# Title\n\n', '\n\nThe end.\n')
    assert table.strip() == tables.results_tables('results/{}'.format)
    assert 'old numbers' not in text
    assert f'](results/{BCE})' in text and f'](results/{OUR_CONV})' in text


def test_writing_again_changes_nothing(root):
    first = [path.read_text() for path in tables.write_tables()]
    assert [path.read_text() for path in tables.write_tables()] == first


def test_the_gallery_shows_the_pictures_of_finished_runs_only(root):
    tables.write_tables()
    text = (root / 'results' / 'README.md').read_text()
    for folder, row in ((BCE, BCE), (OUR_CONV, CONV)):
        for name in ('reconstructions', 'samples', 'curves'):
            assert f']({folder}/{name}.png)' in text
        assert f'## {folder}\n' in text and f'[`{folder}`]({folder})' in text
        assert f'stands for the row `{row}`' in text
    assert f'## {L2}' not in text and f'## {CONV}' not in text


@pytest.mark.parametrize('line', [tables.BEGIN, tables.END])
def test_a_readme_without_its_markers_ends_with_a_sentence_and_is_left(root, line):
    spoilt = README.replace(line, '')
    (root / 'README.md').write_text(spoilt)
    with pytest.raises(CourseError, match='has lost the two lines') as e:
        tables.write_tables()
    assert tables.BEGIN in str(e.value) and '\n' not in str(e.value)
    assert (root / 'README.md').read_text() == spoilt
    assert not (root / 'results' / 'README.md').exists()
