"""Claims: what they may say, and the verdicts, against intervals worked out by hand."""

import json
import math

import pandas as pd
import pydantic
import pytest

from d2lvae.base import paths
from d2lvae.base.errors import CourseError
from d2lvae.runs import catalogue, claims

A, B = 'DenseVAE_on_MNIST/5_3_400_bce_50', 'DenseVAE_on_MNIST/5_3_400_l2_50'
GREATER = {'id': 'x', 'claim': 'A is sharper.', 'data': 'digits', 'runs': [A, B]}
GREATER |= {'metric': 'psnr', 'side': 'greater'}
T = 4.302652729911275  # Student's 97.5 % quantile for two degrees of freedom


@pytest.fixture
def publish(tmp_path, monkeypatch):
    """Write a summary: values of metrics by name, one for each seed."""
    monkeypatch.setattr(paths, 'RESULTS', tmp_path)

    def publish(folder, seeds, **metrics):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        metrics = {name: {'values': values} for name, values in metrics.items()}
        summary = {'seeds': seeds, 'metrics': metrics}
        (tmp_path / folder / 'summary.json').write_text(json.dumps(summary))

    return publish


def claim(**changes):
    return claims.Claim(**GREATER | changes)


def margin(width):
    return claim(side=None, margin=width)


def test_the_difference_is_paired_over_the_seeds_that_both_have(publish):
    publish(A, [0, 1, 2, 5], psnr=[18.0, 19.0, 20.0, 99.0])
    publish(B, [2, 0, 1, 7], psnr=[19.0, 17.5, 18.0, -99.0])  # 0.5, 1.0, 1.0
    row = claim().row()
    half = T * math.sqrt(((0.5 - 5 / 6) ** 2 + 2 * (1 - 5 / 6) ** 2) / 2 / 3)
    assert row == {
        'claim': 'A is sharper.',
        'data': 'digits',
        'difference': '+0.83',
        'interval': f'{5 / 6 - half:+.2f} to {5 / 6 + half:+.2f}',
        'seeds': '3',
        'verdict': 'holds',
        "study's size (one run)": '',
    }


@pytest.mark.parametrize(
    'interval, greater, smaller',
    [
        ((0.1, 0.5), 'holds', 'does not hold'),
        ((-0.5, -0.1), 'does not hold', 'holds'),
        ((-0.1, 0.5), 'open', 'open'),
        ((0.0, 0.5), 'open', 'open'),
    ],
)
def test_a_side_holds_only_if_the_interval_lies_wholly_on_it(interval, greater, smaller):
    assert claim().verdict(interval) == greater
    assert claim(side='smaller').verdict(interval) == smaller


def test_a_side_can_be_that_of_another_number_than_0():
    at_most_a_decibel = claim(than=-1)
    verdicts = [at_most_a_decibel.verdict(i) for i in ((-0.9, 0.1), (-1.5, -1.1), (-1.2, -0.8))]
    assert verdicts == ['holds', 'does not hold', 'open']


@pytest.mark.parametrize(
    'interval, verdict',
    [
        ((-0.1, 0.2), 'holds'),
        ((0.2, 0.3), 'open'),
        ((0.3, 0.4), 'does not hold'),
        ((-0.4, -0.3), 'does not hold'),
        ((-0.4, 0.4), 'open'),
    ],
)
def test_no_difference_holds_only_if_the_interval_lies_wholly_inside_the_margin(interval, verdict):
    assert margin(0.25).verdict(interval) == verdict


@pytest.mark.parametrize('seeds, verdict', [([], 'open'), ([3], 'one run'), ([3, 4], 'holds')])
def test_a_verdict_needs_two_common_seeds(publish, seeds, verdict):
    publish(A, [0, *seeds], psnr=[18.0, *(19.0 for _ in seeds)])
    publish(B, [1, *seeds], psnr=[18.0, *(18.0 for _ in seeds)])
    row = claim().row()
    assert (row['verdict'], row['seeds']) == (verdict, str(len(seeds)))
    assert (row['interval'] == '–') == (len(seeds) < 2)


def test_without_a_run_or_its_metric_a_claim_is_open(publish):
    assert claim().row()['verdict'] == 'open'
    publish(A, [0, 1], psnr=[18.0, 19.0])
    publish(B, [0, 1], ssim=[0.8, 0.9])
    assert claim().row() | {'claim': ''} == dict(
        zip(claims.COLUMNS, ['', 'digits', '–', '–', '0', 'open', ''])
    )


def test_two_metrics_are_compared_within_one_run(publish):
    publish(A, [0, 1, 2], ssim=[0.8, 0.7, 0.9], control_ssim=[0.6, 0.5, 0.7])
    row = claim(runs=[A, A], metric=['ssim', 'control_ssim']).row()
    assert (row['difference'], row['verdict']) == ('+0.200', 'holds')


def test_one_run_is_held_against_a_number(publish):
    publish(A, [0, 1, 2], sharpness_ratio=[0.8, 0.8, 0.8])
    sharp = {'runs': [A], 'metric': 'sharpness_ratio'}
    assert claim(**sharp, than=0.75).row()['verdict'] == 'holds'
    row = claim(**sharp, than=0.85).row()
    assert (row['difference'], row['verdict']) == ('0.800', 'does not hold')


def test_the_rank_correlation_is_taken_seed_by_seed(publish):
    runs = claims.claims()['digits-rank'].runs
    for i, run in enumerate(runs):
        swapped = {0: 1, 1: 0}.get(i, i)
        publish(catalogue.find(run).folder, [0, 1], sharpness_ratio=[i, swapped])
    row = claims.claims()['digits-rank'].row()
    assert row['difference'] == '0.98 (1.00, 0.96)'  # 1 - 6 * 2 / (7 * 48)
    assert (row['interval'], row['seeds'], row['verdict']) == ('0.96 to 1.00', '2', 'holds')


def test_the_studys_size_is_read_after_the_last_epoch_that_both_have(publish, tmp_path):
    rows = [('F 20', 10, 17.0), ('F 20', 20, 18.0), ('F 20', 30, 0.0), ('F 10', 20, 19.5)]
    table = pd.DataFrame(rows, columns=['run', 'epoch', 'psnr'])
    sized = claim(study_size=['F 20', 'F 10'])
    assert sized.row()["study's size (one run)"] == ''
    content = '# how it was made, in a comment\n' + table.to_csv(index=False)
    (tmp_path / 'study_size.csv').write_text(content)
    assert sized.row()["study's size (one run)"] == '-1.50 (epoch 20)'


@pytest.mark.parametrize(
    'changes',
    [
        {'side': None},
        {'margin': 0.1},
        {'side': 'better'},
        {'margin': -0.1, 'side': None},
        {'runs': []},
        {'runs': [A, B, A]},
        {'marign': 0.1},
    ],
)
def test_a_claim_that_says_nothing_or_two_things_is_refused(changes):
    with pytest.raises(pydantic.ValidationError):
        claim(**changes)


# The committed claims


CLAIMS = claims.claims()
each = pytest.mark.parametrize('name', CLAIMS)
NAMED = [  # what a comparison may change, and nothing else
    {'disc_weight'},
    {'pbp_weight'},
    {'solo_epochs'},
    {'disc_norm'},
    {'disc_shift'},
    {'discriminator'},
    {'disc_weight', 'disc_weighting'},
    {'disc_weight', 'frozen_weight'},
    {'disc_weight', 'pbp_weight', 'kl_weight'},
]


def changed(a, b):
    a, b = (
        catalogue.find(run).experiment.model_dump(exclude={'run', 'animated'}) for run in (a, b)
    )
    return {name for name in a if a[name] != b[name]}


@each
def test_every_claim_is_about_runs_that_there_are_and_changes_one_thing(name):
    of, runs = CLAIMS[name], CLAIMS[name].runs
    assert {catalogue.find(run).experiment.dataset for run in runs} == {
        {'digits': 'mnist'}.get(of.data, of.data)
    }
    if of.ranked_by:
        assert all(changed(run, runs[0]) == {of.ranked_by} for run in runs[1:])
    elif len(set(runs)) == 2:
        assert changed(*runs) in NAMED


@each
def test_every_claim_is_about_a_metric_that_runs_have(name):
    known = {'template_share'}  # not in the results that were there when it was written
    for path in paths.RESULTS.glob('*/*/summary.json'):
        known |= set(json.loads(path.read_text())['metrics'])
    assert set(CLAIMS[name].metrics) <= known


def test_no_claim_is_made_twice():
    source = (catalogue.HERE / 'claims.yaml').read_text()
    assert source.count('- id: ') == len(CLAIMS)
    said = {claim.model_dump_json(exclude={'id', 'claim'}) for claim in CLAIMS.values()}
    assert len(said) == len(CLAIMS) == len({(c.claim, c.data) for c in CLAIMS.values()})


def test_the_table_has_all_claims_those_of_some_data_or_those_that_are_asked_for():
    assert list(claims.table().columns) == claims.COLUMNS
    assert list(claims.table().index) == list(CLAIMS)
    assert set(claims.table('avatars')['data']) == {'avatars'}
    two = ['digits-rank', 'digits-5-psnr']
    assert list(claims.table(two).index) == two
    assert set(claims.table()['verdict']) <= set(claims.VERDICTS)


@pytest.mark.parametrize('chosen', [['digits-rank', 'digits-rnak'], 'fashion', []])
def test_an_unknown_claim_ends_with_a_sentence(chosen):
    with pytest.raises(CourseError, match='no claim') as e:
        claims.table(chosen)
    assert '\n' not in str(e.value) and 'digits-rank,' not in str(e.value)


def test_the_page_has_a_row_for_each_claim_and_counts_the_verdicts(publish):
    publish(A, [0], psnr=[1.0])
    lines = claims.page().splitlines()
    rows = [line for line in lines if line.startswith('| ')]
    assert rows[0] == f'| {" | ".join(claims.COLUMNS)} |' and len(rows) == 2 + len(CLAIMS)
    assert len({row.count('|') for row in rows}) == 1
    counts = f'Of {len(CLAIMS)} claims: 0 hold, 0 do not, {len(CLAIMS)} are open'
    assert counts in '\n'.join(lines)
