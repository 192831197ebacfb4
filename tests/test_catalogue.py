"""The catalogue: the study's rows and our recipes, found by name."""

import json

import pytest

from d2lvae import catalogue, paths
from d2lvae.errors import CourseError

BCE = 'DenseVAE_on_MNIST/5_3_400_bce_50'
L2 = 'DenseVAE_on_MNIST/5_3_400_l2_50'
GAN = 'DenseVAE_DenseLogReg_on_MNIST/5_3_400_1_200_50'
RESNET = 'ConvVAE_ResNet_on_anime/512_32_200_50_1'
SIZES = {'latents': 5, 'hidden_layers': 3, 'hidden_nodes': 400, 'batch_size': 64, 'lr': 1e-3}


def sentence(name):
    with pytest.raises(CourseError) as e:
        catalogue.find(name)
    assert '\n' not in str(e.value)
    return str(e.value)


def test_the_study_has_26_rows_for_24_different_runs():
    assert len(catalogue.study()) == 26
    assert catalogue.study()['folder'].nunique() == 24


def test_every_row_has_the_studys_figures():
    figures = catalogue.study()[['seed_final_vae_loss', 'seed_psnr_db', 'seed_laplacian_variance']]
    assert figures.notna().all().all()


@pytest.mark.parametrize(
    'folder, expected',
    [
        (BCE, {'pbp_loss': 'bce', 'num_epochs': 50, 'discriminator': None}),
        (L2, {'pbp_loss': 'l2', 'num_epochs': 50, 'discriminator': None}),
        (
            GAN,
            {
                'pbp_loss': 'bce',
                'num_epochs': 50,
                'discriminator': 'DenseLogReg',
                'disc_layers': 1,
                'disc_nodes': 200,
                'solo_epochs': 0,
                'disc_weight': 1.0,
                'pbp_weight': 1.0,
                'pbp_decay': 1.0,
            },
        ),
    ],
)
def test_the_studys_rows_on_mnist_have_its_sizes_and_all_digits(folder, expected):
    entry = catalogue.find(folder)
    parameters = entry.experiment.parameters()
    whole = {'num_train': 0, 'num_held_out': 0, 'lr_schedule': 'constant', 'augment': 0.0}
    expected = SIZES | whole | {'binarise_input': False} | expected
    assert {name: parameters.get(name) for name in expected} == expected
    assert entry.experiment.scale == 'reference'
    assert entry.study_row == entry.experiment.folder == folder


def test_every_column_of_a_row_reaches_its_experiment():
    rows = catalogue.study().itertuples()
    [row] = [row for row in rows if row.folder == GAN]
    changes = {'latents': 7, 'hidden_layers': 2, 'hidden_nodes': 30, 'pbp_loss': 'l2', 'lr': 2e-4}
    changes |= {'batch_size': 32, 'disc_weight': 20.0, 'pbp_weight': 0.5}
    other = row._replace(
        **changes, disc_base_channels_or_nodes='4x60', solo_epochs=3, combo_epochs=6
    )
    expected = changes | {'disc_layers': 4, 'disc_nodes': 60, 'solo_epochs': 3, 'num_epochs': 9}
    experiment = catalogue.from_row(other)
    assert {name: getattr(experiment, name) for name in expected} == expected


def test_every_entry_goes_by_its_folder_and_stands_for_a_row():
    for folder, entry in catalogue.entries().items():
        assert entry.experiment.folder == folder
        assert entry.study_row in set(catalogue.study()['folder'])


def test_every_entry_is_found_by_its_full_name_and_by_its_last_part():
    for folder, entry in catalogue.entries().items():
        assert catalogue.find(folder) is entry
        assert catalogue.find(folder.split('/')[1]) is entry


def test_every_discriminator_has_a_control_that_differs_in_nothing_else():
    for entry in catalogue.entries().values():
        if entry.experiment.discriminator is None:
            assert entry.control is None
        else:
            control, experiment = catalogue.find(entry.control).experiment, entry.experiment
            assert control.discriminator is None
            same = ('dataset', 'vae', *SIZES, 'pbp_loss', 'num_train', 'num_held_out')
            assert [getattr(control, n) for n in same] == [getattr(experiment, n) for n in same]


def test_our_recipes_say_what_is_different():
    own = [e for folder, e in catalogue.entries().items() if folder != e.study_row]
    assert own
    for entry in own:
        base = catalogue.find(entry.study_row)
        assert entry.note != base.note
        assert entry.experiment.parameters() != base.experiment.parameters()


def test_at_reference_scale_an_entry_is_the_experiment_itself():
    entry = catalogue.find(BCE)
    assert entry.at('reference') is entry.experiment
    assert entry.experiment.published == paths.RESULTS / BCE


def test_at_smoke_scale_every_entry_is_small_and_keeps_away_from_the_results():
    smokes = [entry.at('smoke') for entry in catalogue.entries().values()]
    for entry, smoke in zip(catalogue.entries().values(), smokes):
        assert smoke.scale == 'smoke' and 0 < smoke.num_train <= 3200 and smoke.num_epochs <= 4
        assert smoke.discriminator == entry.experiment.discriminator
        assert smoke.published.is_relative_to(paths.RUNS)
        assert smoke.work != entry.experiment.work
    assert len({smoke.folder for smoke in smokes}) == len(smokes)


@pytest.mark.parametrize('name', ['', 'no_such_run', 'DenseVAE_on_MNIST', 'MNIST/5_3_400_bce_50'])
def test_an_unknown_run_ends_with_a_sentence(name):
    assert f'There is no run {name}:' in sentence(name)


@pytest.mark.parametrize('name', [RESNET, RESNET.split('/')[1]])
def test_a_row_without_networks_ends_with_a_sentence_of_its_own(name):
    assert f'{name} needs networks that this version does not have yet' in sentence(name)


def test_the_state_of_a_row_is_read_from_its_results_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, 'RESULTS', tmp_path)
    (tmp_path / BCE).mkdir(parents=True)
    (tmp_path / BCE / 'summary.json').write_text(json.dumps({'seeds': [0, 2]}))
    states = [catalogue.state(folder) for folder in (BCE, L2, RESNET)]
    assert states == ['done, seeds 0 2', 'to run', 'networks to come']
    assert catalogue.summary(BCE) == {'seeds': [0, 2]}
    assert catalogue.summary(L2) is catalogue.summary(RESNET) is None


def test_a_damaged_summary_ends_with_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, 'RESULTS', tmp_path)
    (tmp_path / BCE).mkdir(parents=True)
    (tmp_path / BCE / 'summary.json').write_text('{"seeds": [')
    with pytest.raises(CourseError, match=f'{BCE} holds no result'):
        catalogue.summary(BCE)
