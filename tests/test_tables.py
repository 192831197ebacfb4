"""The generated pages of results/: the gallery by chapter, and the study row by row."""

import json
import re

import pytest

from d2lvae.base import paths
from d2lvae.runs import catalogue, claims, tables

BCE = 'DenseVAE_on_MNIST/5_3_400_bce_50'
GAN = 'DenseVAE_DenseLogReg_on_MNIST/5_3_400_1_200_50'
CONV, OUR_CONV = 'ConvVAE_on_anime/512_32_200_seeded', 'ConvVAE_on_anime/512_32_20_seeded'
METRICS = {
    'train_loss': {'mean': 108.126, 'ci95': 0.254, 'values': [108.1, 108.152]},
    'psnr': {'mean': 16.504, 'ci95': 0.1, 'values': [16.4, 16.6]},
    'digit_accuracy': {'mean': 0.97, 'ci95': 0.0126, 'values': [0.971, 0.969]},
}
GAN_METRICS = {
    'psnr': {'mean': 16.0, 'ci95': 0.25, 'values': [16.1, 15.9, 16.0]},
    'ssim': {'mean': 0.7, 'ci95': 0.01, 'values': [0.7, 0.7, 0.7]},
    'control_ssim': {'mean': 0.5, 'ci95': 0.01, 'values': [0.5, 0.5, 0.5]},
}
FACE_METRICS = {
    'train_loss': {'mean': 6500.126, 'ci95': None, 'values': [6500.126]},
    'sharpness_ratio': {'mean': 0.0249, 'ci95': None, 'values': [0.0249]},
    'swd_samples': {'mean': 0.12345, 'ci95': None, 'values': [0.12345]},
}


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Results of two runs of digits and one of faces, and no others."""
    monkeypatch.setattr(paths, 'RESULTS', tmp_path)
    for run, seeds, metrics in (
        (BCE, [0, 1], METRICS),
        (GAN, [0, 1, 2], GAN_METRICS),
        (OUR_CONV, [0], FACE_METRICS),
    ):
        folder = tmp_path / run
        folder.mkdir(parents=True)
        summary = {'run': run, 'seeds': seeds, 'seconds_total': 1500.0, 'metrics': metrics}
        (folder / 'summary.json').write_text(json.dumps(summary))
    return tmp_path


def line_of(text, name):
    """The one line of a table that holds a name, as its cells."""
    [line] = [line for line in text.splitlines() if line.startswith('| ') and name in line]
    return [cell.strip() for cell in line.strip('| ').split(' | ')]


def study_row(folder):
    lines = tables.study_table().splitlines()
    heads = [cell.strip() for cell in lines[0].strip('| ').split(' | ')]
    return dict(zip(heads, line_of(tables.study_table(), f'`{folder}`')))


@pytest.mark.parametrize(
    'values, text',
    [([1.25], '1.2'), ([1.3, 1.1], '1.1 to 1.3'), ([1.0, 2.0, 3.0], '2.0 ± 2.5')],
)
def test_a_metric_is_one_value_two_ends_or_a_mean_and_its_interval(values, text):
    ci95 = 2.484 if len(values) > 2 else None
    metric = {'mean': sum(values) / len(values), 'ci95': ci95, 'values': values}
    assert tables.number({'psnr': metric}, 'psnr', '.1f') == text
    assert tables.number({}, 'psnr', '.1f') == '–'


@pytest.mark.parametrize(
    'folder, kind',
    [
        (BCE, 'Digits'),
        (OUR_CONV, 'Faces'),
        ('ConvVAE_ResNet32_on_avatars/x', 'Faces'),
        ('ConvVAE_on_oldMNIST/x', 'Faces'),
    ],
)
def test_the_kind_of_a_run_is_that_of_its_data(folder, kind):
    assert tables.kind_of(folder) == kind


def test_the_studys_figures_stand_beside_ours(root):
    assert study_row(BCE) == {
        'ch.': '01',
        'row': f'plain, BCE<br>`{BCE}`',
        'loss ↓ study': '108.19 (train, epoch 40)',
        'loss ↓ ours': '108.1 to 108.2',
        'PSNR ↑ study': '16.51',
        'PSNR ↑ ours': '16.40 to 16.60',
        'SSIM ↑ study': '–',
        'SSIM ↑ ours': '–',
        'sharpness → 1 study': '0.41',  # 0.073 of the real digits' 0.177
        'sharpness → 1 ours': '–',
    }
    faces = study_row(CONV)
    assert faces['sharpness → 1 study'] == '0.03'  # 0.00423 of the real faces' 0.148
    assert (faces['sharpness → 1 ours'], faces['loss ↓ ours']) == ('0.02', '6500.1')


def test_the_study_has_24_rows_those_without_a_run_too(root):
    lines = tables.study_table().splitlines()
    assert len(lines) == 2 + 24 and len({line.count('|') for line in lines}) == 1
    row = study_row('ConvVAE_ResNet_on_anime/512_32_200_10_1')
    assert (row['ch.'], row['loss ↓ study'], row['PSNR ↑ ours']) == ('04, 05', '6829.6', 'to run')


def test_a_finished_run_stands_in_its_chapter_with_numbers_beside_its_pictures(root):
    shown, numbers = line_of(tables.chapter_part('02'), 'with a discriminator, weight 1')
    assert shown.startswith("**with a discriminator, weight 1** (the study's recipe; 3 seeds)")
    for name in ('reconstructions', 'samples', 'curves'):
        assert f'src="{GAN}/{name}.png"' in shown
    beside, more = numbers.split('<details>')
    assert beside == 'PSNR ↑: 16.00 ± 0.25<br>SSIM ↑: 0.700 ± 0.010 (noise 0.500 ± 0.010)'
    assert '8 minutes a seed' in more and f'[folder]({GAN})' in more


def test_every_picture_has_an_alternative_in_words(root):
    (root / GAN / 'epochs.webp').write_bytes(b'')
    images = re.findall('<img [^>]*>', tables.gallery())
    assert len(images) == 10
    assert all(re.search(r'alt="[^"]+: [^"]+"', image) for image in images)
    assert len(set(images)) == 10
    assert sum(f'{GAN}/epochs.webp' in image for image in images) == 1


def test_runs_of_one_data_set_stand_in_one_table_with_those_to_run_by_name_below(root):
    part = tables.chapter_part('03')
    assert part.startswith('## Chapter 03: [Faces')
    assert part.count('### Anime faces') == 1 and '### Digits' not in part
    shown = [e for e in catalogue.entries().values() if '03' in e.chapters]
    assert f'<summary>To run: {len(shown) - 1}</summary>' in part
    assert '- with ConvDisc (`512_32_32_20_10_seeded`)' in part
    assert '- convolutional, plain' not in part


def test_the_gallery_names_every_run_of_every_chapter_in_words(root):
    text = tables.gallery()
    for entry in catalogue.entries().values():
        for chapter in entry.chapters:
            part = text.split(f'## Chapter {chapter}')[1].split('\n## ')[0]
            assert f'**{entry.label}**' in part or f'- {entry.label} (' in part


def test_every_row_of_a_table_has_as_many_cells(root):
    for block in re.findall(r'(?:^\|.*\n)+', tables.gallery(), re.M):
        assert len({line.count('|') for line in block.splitlines()}) == 1


def test_both_pages_are_written_and_writing_again_changes_nothing(root):
    written = tables.write_tables()
    assert written == (root / 'README.md', root / 'claims.md')
    first = [path.read_text() for path in written]
    assert first == [tables.gallery(), claims.page()]
    assert [path.read_text() for path in tables.write_tables()] == first


def test_the_committed_pages_are_those_of_the_committed_results():
    assert (paths.RESULTS / 'README.md').read_text() == tables.gallery()
    assert (paths.RESULTS / 'claims.md').read_text() == claims.page()
