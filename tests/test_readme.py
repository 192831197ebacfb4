"""The README's generated parts, its words, links and cells."""

import importlib
import re

import numpy as onp
import pandas as pd
import pytest

import d2lvae
from d2lvae import losses, metrics
from d2lvae.base import paths
from d2lvae.runs import catalogue, claims, readme

MAX_WORDS = 1500
TEXT = readme.README.read_text()
CELLS = re.findall('^```python\n(.*?)^```', TEXT, re.DOTALL | re.MULTILINE)
PLAIN = catalogue.find('5_3_400_1_200_75_0_4_beta0.5_jitter0.3_binarised_cosine')


def test_the_committed_readme_is_that_of_the_committed_results():
    assert TEXT == readme.filled(TEXT)
    parts = ['ladder', 'findings', 'readers', 'results']
    assert [m[2] for m in readme.PART.finditer(TEXT)] == parts


def test_the_committed_ladder_is_that_of_the_committed_results(tmp_path):
    readme.ladder(tmp_path / 'ladder.png')
    assert (tmp_path / 'ladder.png').read_bytes() == (paths.RESULTS / 'ladder.png').read_bytes()


def test_only_the_answers_about_the_faces_of_the_ladder_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, 'RESULTS', tmp_path)
    asked = [('avatars, 32 pixels', 1.0, 200, 0, 'D', 'plain')] * 2
    asked += [
        ('avatars, 32 pixels', 1.0, 200, 1, 'D', 'D'),
        ('avatars, 32 pixels', 1.0, 200, 1, '', 'D'),
    ]
    asked += [
        ('avatars, 64 pixels', 1.0, 200, 0, 'D', 'D'),
        ('avatars, 32 pixels', 0.1, 200, 0, 'D', 'D'),
    ]
    columns = 'pictures kl_weight weight reader drawn nearest'.split()
    pd.DataFrame(asked, columns=columns).to_csv(tmp_path / 'blind_test.csv')
    told = readme.readers()
    assert told.startswith('In 3 of 4 answers 2 blind readers')
    assert 'in 2 for the nearest' in told
    assert told.endswith('the recipe: 1 and 2 of 2.)')


def test_the_readme_is_short():
    assert len(TEXT.split()) <= MAX_WORDS


@pytest.mark.parametrize('page', ['README.md', 'CONTRIBUTING.md', 'benchmarks/README.md', 'docs'])
def test_links_to_files_lead_somewhere(page):
    path = paths.ROOT / page
    for text in sorted(path.glob('*.md')) if path.is_dir() else [path]:
        links = re.findall(r'\]\((?!https?:)([^)#]+)', text.read_text())
        assert [link for link in links if not (text.parent / link).exists()] == [], text.name


def test_both_maps_of_the_package_name_every_module_and_the_citation_its_version():
    there = {path.stem for path in paths.ROOT.glob('d2lvae/*') if path.name[0] not in '_.'}
    words = set(re.findall(r'\w+', d2lvae.__doc__))
    linked = set(re.findall(r'\(d2lvae/(\w+)', TEXT))
    assert there <= words and there <= linked
    assert f'version: {d2lvae.__version__}\n' in (paths.ROOT / 'CITATION.cff').read_text()


def test_the_dockerfile_installs_what_the_readme_names():
    [packages] = re.findall('apt install (.+)', TEXT)
    assert set(packages.split()) <= set((paths.ROOT / 'Dockerfile').read_text().split())


def test_the_cells_of_the_readme_train_a_loss_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, 'RUNS', tmp_path)
    monkeypatch.setitem(losses.ADVERSARIAL, 'smoothed', None)  # taken away again at the end
    monkeypatch.syspath_prepend(tmp_path)
    registers, trains = CELLS
    (tmp_path / 'of_the_readme.py').write_text(registers)  # a run keeps the source of its loss
    importlib.import_module('of_the_readme')
    namespace = {}
    exec(re.sub(r'(num_train|num_held_out)=\d+', r'\1=128', trains), namespace)
    assert {'psnr', 'control_ssim'} <= namespace['summary']['metrics'].keys()


# The ladder


def test_the_noise_is_as_sharp_as_the_row_with_a_discriminator():
    _, blurred, shown, noisy = readme.versions(*readme.pair('drawn faces'), num=4)
    assert metrics.sharpness(noisy) == pytest.approx(metrics.sharpness(shown), rel=1e-3)
    assert metrics.sharpness(blurred) < metrics.sharpness(shown) / 1.5


def test_digits_are_framed_and_enlarged_without_smoothing():
    X = onp.random.default_rng(0).random((2, 3, 28, 28), 'float32')
    framed = readme.to_side(X)
    assert framed.shape == (2, 3, readme.SIDE, readme.SIDE)
    assert (framed[..., 4:-4:2, 4:-4:2] == X).all() and (framed[..., 5:-4:2, 5:-4:2] == X).all()
    assert not framed[..., :4].any() and not framed[..., -4:, :].any()


def test_a_plain_run_is_called_the_same_recipe_only_if_it_is():
    run = catalogue.find(readme.SHOWN['digits'][0])
    assert readme.recipe_of(run, PLAIN) == 'the same recipe without D'
    other = catalogue.find('5_3_400_bce_50')
    assert readme.recipe_of(run, other) == "another recipe (the study's recipe)"


# The numbers


@pytest.mark.parametrize(
    'row, text',
    [
        (['–', '–', '0', 'open'], 'It costs. *Not run yet.*'),
        (['-0.53', '–', '1', 'one run'], 'It costs. *PSNR -0.53, one run.*'),
        (
            ['-0.53', '-0.60 to -0.46', '3', 'holds'],
            'It costs. *PSNR -0.53, 95 % interval -0.60 to -0.46, 3 seeds: holds.*',
        ),
    ],
)
def test_a_claim_is_told_as_far_as_it_can_be(row, text, monkeypatch):
    heads = ['claim', 'difference', 'interval', 'seeds', 'verdict']
    table = pd.DataFrame([['It costs.', *row]], ['digits-50-psnr'], heads)
    monkeypatch.setattr(claims, 'table', lambda ids: table.loc[ids])
    assert readme.told('digits-50-psnr') == text


def test_a_rank_has_no_interval_of_students(monkeypatch):
    row = ['It rises.', '1.00 (1.00, 0.98)', '0.98 to 1.00', '2', 'holds']
    heads = ['claim', 'difference', 'interval', 'seeds', 'verdict']
    monkeypatch.setattr(claims, 'table', lambda ids: pd.DataFrame([row], ids, heads))
    assert '*Rank correlation with sharpness 1.00, 0.98 to 1.00, 2 seeds: holds.*' in readme.told(
        'digits-rank'
    )


def test_a_rank_is_called_one():
    assert readme.measure(claims.claims()['digits-rank']) == 'rank correlation with sharpness'


def test_noise_has_the_sharpness_of_its_run_and_other_measures_of_its_own():
    names = 'sharpness_ratio', 'control_swd', 'control_psnr'
    summary = {'metrics': {name: {'mean': i, 'values': [i]} for i, name in enumerate(names)}}
    heads = 'sharpness → 1', 'SWD ↓', 'PSNR ↑', 'SSIM ↑'
    found = [readme.number(summary, head, 'control_') for head in heads]
    assert found == ['0.00', '1.0000', '2.00', '–']
