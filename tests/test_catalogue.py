"""The catalogue: the study's rows and our recipes, found by name."""

import json

import pytest
import yaml

from d2lvae.base import paths
from d2lvae.base.errors import CourseError
from d2lvae.runs import catalogue, study

BCE = 'DenseVAE_on_MNIST/5_3_400_bce_50'
L2 = 'DenseVAE_on_MNIST/5_3_400_l2_50'
GAN = 'DenseVAE_DenseLogReg_on_MNIST/5_3_400_1_200_50'
CONV = 'ConvVAE_on_anime/512_32_200_seeded'
DECAYING = 'ConvVAE_ResNet_on_anime/1024_32_200_10_1'
SIZES = {'latents': 5, 'hidden_layers': 3, 'hidden_nodes': 400, 'batch_size': 64, 'lr': 1e-3}
FACES = {  # the study's folder: ours, with the epochs and the widths that are really run
    'DenseVAE_on_anime/512_5_1024_200_seeded': 'DenseVAE_on_anime/512_5_1024_20_seeded',
    'DenseVAE_DenseLogReg_on_anime/512_5_1024_1_1024_200_10_seeded': (
        'DenseVAE_DenseLogReg_on_anime/512_5_1024_1_1024_20_10_seeded'
    ),
    CONV: 'ConvVAE_on_anime/512_32_20_seeded',
    'ConvVAE_ConvDisc_LeakyReLU_on_anime/512_32_32_200_10_seeded': (
        'ConvVAE_ConvDisc_LeakyReLU_on_anime/512_32_32_20_10_seeded'
    ),
    'ConvVAE_ConvDisc_LeakyReLU_on_anime/1024_32_64_200_10_1': (
        'ConvVAE_ConvDisc_LeakyReLU_on_anime/1024_32_64_20_10_1'
    ),
    'ConvVAE_ResNet_on_anime/512_32_200_10_seeded': (
        'ConvVAE_ResNet32_on_anime/512_32_20_10_seeded'
    ),
    DECAYING: 'ConvVAE_ResNet32_on_anime/1024_32_20_10_1',
    'ConvVAE_ResNet_on_anime/1024_32_200_10_1_initlr2e-4': (
        'ConvVAE_ResNet32_on_anime/1024_32_20_10_1_initlr2e-4'
    ),
    'DeepConvVAE_DeepConvDisc_on_anime/1024_32_64_200_10_1_initlr2e-4': (
        'DeepConvVAE_DeepConvDisc_on_anime/1024_32_32_20_10_1_initlr2e-4'
    ),
}
OURS, THEIRS = 'ConvVAE_ResNet32_on_anime/', 'ConvVAE_ResNet_on_anime/'
BASELINE = f'{THEIRS}512_32_200_10_1'
VARIED = {  # rows of the weights and of the timing: our name, and what differs from the baseline
    '512_32_200_10_1': ('512_32_20_10_1', {}),
    '512_32_200_1_1': ('512_32_20_1_1', {'disc_weight': 1.0}),
    '512_32_200_20_1': ('512_32_20_20_1', {'disc_weight': 20.0}),
    '512_32_200_50_1': ('512_32_20_50_1', {'disc_weight': 50.0}),
    '512_32_200_10_1.2': ('512_32_20_10_1.2', {'pbp_weight': 1.2}),
    '512_32_200_10_0.8': ('512_32_20_10_0.8', {'pbp_weight': 0.8}),
    '512_32_200_10_0.5': ('512_32_20_10_0.5', {'pbp_weight': 0.5}),
    '512_32_200_10_1_decay0.95': (
        '512_32_20_10_1_decay0.95',
        {'pbp_decay': 0.95, 'pbp_decay_every': 2.5},
    ),
    '512_32_200_10_1_decay0.9': (
        '512_32_20_10_1_decay0.9',
        {'pbp_decay': 0.9, 'pbp_decay_every': 2.5},
    ),
    '512_32_50+150_10_1': ('512_32_5+15_10_1', {'solo_epochs': 5}),
    '512_32_100+100_10_1': ('512_32_10+10_10_1', {'solo_epochs': 10}),
    '512_32_150+50_10_1': ('512_32_15+5_10_1', {'solo_epochs': 15}),
}
PLAIN = 'ConvVAE_on_anime/512_32_20_train3200'
ALL_VARIED = ('disc_weight', 'pbp_weight', 'solo_combo')
VARIED_BY_US = {  # our recipes beside those rows: row, groups, and what differs from the row
    PLAIN: (CONV, ALL_VARIED, {'num_train': 3200, 'num_held_out': 800}),
    f'{OURS}512_32_20_adaptive_1': (
        BASELINE,
        ('disc_weight',),
        {'disc_weighting': 'adaptive', 'disc_weight': 1.0},
    ),
    f'{OURS}512_32_20_10_0_disl1': (
        BASELINE,
        ('disc_weight',),
        {'pbp_weight': 0.0, 'dis_l_weight': 1.0},
    ),
    f'{OURS}512_32_20_10_1.2_kl1.2': (f'{BASELINE}.2', ('pbp_weight',), {'kl_weight': 1.2}),
    f'{OURS}512_32_20_10_0.8_kl0.8': (
        f'{THEIRS}512_32_200_10_0.8',
        ('pbp_weight',),
        {'kl_weight': 0.8},
    ),
    f'{OURS}512_32_20_10_0.5_kl0.5': (
        f'{THEIRS}512_32_200_10_0.5',
        ('pbp_weight',),
        {'kl_weight': 0.5},
    ),
    f'{OURS}512_32_10+10_10_1_warmup2_ramp2': (
        f'{THEIRS}512_32_100+100_10_1',
        ('solo_combo',),
        {'disc_warmup_epochs': 2, 'disc_ramp_epochs': 2.0},
    ),
    **{
        f'{OURS}512_32_{solo}+{20 - solo}_50_1': (
            f'{THEIRS}512_32_{10 * solo}+{200 - 10 * solo}_10_1',
            ('solo_combo',),
            {'disc_weight': 50.0},
        )
        for solo in (5, 10, 15)
    },
}


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


def test_the_studys_rows_on_faces_are_spelled_as_it_did_but_for_epochs_and_widths():
    spelled = {
        entry.study_row: entry.experiment.folder
        for name, entry in catalogue.entries().items()
        if name == entry.study_row and entry.experiment.dataset == 'anime'
    }
    varied = {THEIRS + name: OURS + ours for name, (ours, _) in VARIED.items()}
    assert len(varied) == 12
    assert spelled == FACES | varied


FACE_ROWS = {
    'DenseVAE_on_anime/512_5_1024_200_seeded': {
        'vae': 'DenseVAE',
        'latents': 512,
        'hidden_layers': 5,
        'hidden_nodes': 1024,
        'num_epochs': 20,
        'lr': 1e-3,
    },
    'DenseVAE_DenseLogReg_on_anime/512_5_1024_1_1024_200_10_seeded': {
        'discriminator': 'DenseLogReg',
        'disc_layers': 1,
        'disc_nodes': 1024,
        'disc_weight': 10.0,
        'solo_epochs': 0,
        'num_epochs': 20,
    },
    CONV: {'vae': 'ConvVAE', 'latents': 512, 'base_channels': 32, 'num_epochs': 20},
    'ConvVAE_ConvDisc_LeakyReLU_on_anime/1024_32_64_200_10_1': {
        'latents': 1024,
        'discriminator': 'ConvDisc',
        'disc_channels': 64,
        'disc_norm': 'batch',
        'disc_weight': 10.0,
        'pbp_weight': 1.0,
        'solo_epochs': 10,
        'num_epochs': 20,
        'lr': 2e-4,
        'pbp_decay': 1.0,
    },
    DECAYING: {
        'discriminator': 'ResNet',
        'disc_channels': 32,
        'solo_epochs': 10,
        'num_epochs': 20,
        'lr': 1e-3,
        'pbp_decay': 0.95,
        'pbp_decay_every': 2.5,
    },
    'DeepConvVAE_DeepConvDisc_on_anime/1024_32_64_200_10_1_initlr2e-4': {
        'vae': 'DeepConvVAE',
        'discriminator': 'DeepConvDisc',
        'base_channels': 32,
        'disc_channels': 32,
        'solo_epochs': 10,
        'lr': 2e-4,
    },
}


@pytest.mark.parametrize('folder, expected', FACE_ROWS.items())
def test_the_studys_rows_on_faces_have_its_sizes_and_a_tenth_of_its_epochs(folder, expected):
    parameters = catalogue.find(folder).experiment.parameters()
    whole = {'dataset': 'anime', 'num_train': 6400, 'num_held_out': 1600, 'image_size': 64}
    whole |= {'pbp_loss': 'bce', 'batch_size': 64, 'lr_schedule': 'constant', 'beta1': 0.9}
    whole |= {'augment': 0.0, 'flip': False, 'kl_weight': 1.0}
    expected = whole | expected
    assert {name: parameters.get(name) for name in expected} == expected
    assert catalogue.find(folder).experiment.scale == 'reference'


@pytest.mark.parametrize('name, changes', [(name, c) for name, (_, c) in VARIED.items()])
def test_the_rows_of_weights_and_timing_differ_from_the_baseline_in_one_thing(name, changes):
    parameters = catalogue.find(THEIRS + name).experiment.parameters()
    whole = {'dataset': 'anime', 'num_train': 3200, 'num_held_out': 800, 'image_size': 64}
    whole |= {'vae': 'ConvVAE', 'latents': 512, 'base_channels': 32, 'pbp_loss': 'bce'}
    whole |= {'discriminator': 'ResNet', 'disc_channels': 32}
    whole |= {'num_epochs': 20, 'solo_epochs': 0, 'batch_size': 64, 'lr': 1e-3, 'beta1': 0.9}
    whole |= {'lr_schedule': 'constant', 'augment': 0.0, 'flip': False, 'kl_weight': 1.0}
    whole |= {'disc_weight': 10.0, 'pbp_weight': 1.0, 'pbp_decay': 1.0, 'pbp_decay_every': 25.0}
    expected = whole | {'upsampling': 'resize'} | changes
    assert parameters == expected  # so no option of the disc weight either, nor Dis_l
    assert catalogue.find(THEIRS + name).experiment.scale == 'reference'


def test_a_row_is_in_the_groups_that_it_stands_in():
    rows = catalogue.study()
    for folder in rows['folder'].unique():
        groups = rows.loc[rows['folder'] == folder, 'group']
        assert catalogue.entries()[folder].groups == tuple(groups)
    assert catalogue.entries()[BASELINE].groups == ALL_VARIED


def test_the_notes_say_what_of_the_studys_recipe_was_changed():
    for folder, expected in (
        (GAN, "the study's recipe"),
        (CONV, "the study's recipe at a tenth of its epochs"),
        (DECAYING, "the study's recipe at a tenth of its epochs, ResNet of 32 base channels"),
        (
            BASELINE,
            "the study's recipe at a tenth of its epochs, ResNet of 32 base channels, 3,200 faces",
        ),
    ):
        assert catalogue.find(folder).note == expected


def test_every_column_of_a_row_reaches_its_experiment():
    rows = catalogue.study().itertuples()
    [row] = [row for row in rows if row.folder == GAN]
    changes = {'latents': 7, 'hidden_layers': 2, 'hidden_nodes': 30, 'pbp_loss': 'l2', 'lr': 2e-4}
    changes |= {'batch_size': 32, 'disc_weight': 20.0, 'pbp_weight': 0.5}
    other = row._replace(
        **changes, disc_base_channels_or_nodes='4x60', solo_epochs=3, combo_epochs=6
    )
    expected = changes | {'disc_layers': 4, 'disc_nodes': 60, 'solo_epochs': 3, 'num_epochs': 9}
    experiment = study.from_row(other)
    assert {name: getattr(experiment, name) for name in expected} == expected


def test_every_column_of_a_row_of_faces_reaches_its_experiment():
    rows = catalogue.study().itertuples()
    [row] = [row for row in rows if 'ConvDisc_LeakyReLU' in row.folder and row.latents == 512]
    changes = {'latents': 7, 'pbp_loss': 'l2', 'lr': 2e-4, 'batch_size': 32}
    changes |= {'disc_weight': 20.0, 'pbp_weight': 0.5}
    other = row._replace(
        **changes,
        vae_base_channels=16,
        disc_base_channels_or_nodes='48',
        solo_epochs=30,
        combo_epochs=60,
        pbp_decay_per_25_combo_epochs=0.9,
    )
    expected = changes | {'base_channels': 16, 'disc_channels': 48, 'solo_epochs': 3}
    expected |= {'num_epochs': 9, 'pbp_decay': 0.9, 'pbp_decay_every': 2.5}
    experiment = study.from_row(other)
    assert {name: getattr(experiment, name) for name in expected} == expected


COMMITTED = sorted(paths.RESULTS.glob('*/*/parameters.yaml'))


@pytest.mark.parametrize('path', COMMITTED, ids=lambda path: path.parent.name)
def test_committed_results_have_the_parameters_of_their_entry(path):
    entry = catalogue.find(str(path.parent.relative_to(paths.RESULTS)))
    assert path.read_text() == yaml.safe_dump(entry.experiment.parameters(), sort_keys=False)
    assert entry.experiment.published == path.parent


def test_every_entry_goes_by_the_studys_folder_or_by_its_own_and_stands_for_a_row():
    for folder, entry in catalogue.entries().items():
        assert folder in (entry.study_row, entry.experiment.folder)
        assert entry.study_row in set(catalogue.study()['folder'])
        if entry.experiment.dataset == 'mnist':
            assert folder == entry.experiment.folder


def test_no_two_entries_share_a_folder():
    folders = [entry.experiment.folder for entry in catalogue.entries().values()]
    assert len(set(folders)) == len(folders)


def test_every_entry_is_found_by_either_name_and_by_the_last_part_of_it():
    for folder, entry in catalogue.entries().items():
        for name in (folder, entry.experiment.folder):
            assert catalogue.find(name) is entry
            assert catalogue.find(name.split('/')[1]) is entry


OF_THE_VAE = ('vae', 'latents', 'base_channels', 'upsampling', 'hidden_layers', 'hidden_nodes')
OF_THE_DATA = ('dataset', 'image_size', 'num_train', 'num_held_out', 'pbp_loss')
# The study has neither a plain VAE of 1024 latents nor a plain deep one.
WITHOUT_A_PLAIN_ONE = {folder for folder in FACES if '/1024_' in folder}


def test_every_discriminator_has_a_control_that_is_the_same_vae_alone():
    for folder, entry in catalogue.entries().items():
        if entry.experiment.discriminator is None:
            assert entry.control is None
        else:
            control, experiment = catalogue.find(entry.control).experiment, entry.experiment
            assert control.discriminator is None
            same = OF_THE_DATA if folder in WITHOUT_A_PLAIN_ONE else OF_THE_DATA + OF_THE_VAE
            assert [getattr(control, n) for n in same] == [getattr(experiment, n) for n in same]


def test_where_the_study_has_no_plain_vae_of_the_size_the_smaller_one_is_the_control():
    assert len(WITHOUT_A_PLAIN_ONE) == 4
    assert {catalogue.find(folder).control for folder in WITHOUT_A_PLAIN_ONE} == {CONV}


def test_our_recipes_say_what_is_different():
    own = [e for folder, e in catalogue.entries().items() if folder != e.study_row]
    assert {entry.experiment.dataset for entry in own} == {'mnist', 'anime'}
    for entry in own:
        base = catalogue.find(entry.study_row)
        assert entry.note != base.note
        assert entry.experiment.parameters() != base.experiment.parameters()


@pytest.mark.parametrize('folder, expected', VARIED_BY_US.items())
def test_our_recipes_of_weights_and_timing_differ_from_their_row_in_this_alone(folder, expected):
    row, groups, changes = expected
    entry, base = catalogue.entries()[folder], catalogue.entries()[row]
    assert (entry.study_row, entry.groups) == (row, groups)
    run = {'run': folder.split('/')[1]}
    assert entry.experiment.model_dump() == base.experiment.model_dump() | run | changes


def test_our_other_recipes_are_in_the_groups_of_their_row():
    own = catalogue.entries().keys() - set(catalogue.study()['folder']) - VARIED_BY_US.keys()
    assert own
    for folder in own:
        entry = catalogue.entries()[folder]
        assert entry.groups == catalogue.entries()[entry.study_row].groups


def test_one_plain_vae_is_the_control_of_all_weights_and_timings():
    entries = catalogue.entries().values()
    varied = [e for e in entries if set(e.groups) & set(ALL_VARIED) and e.experiment.discriminator]
    assert len(varied) == len(VARIED) + len(VARIED_BY_US) - 1
    assert {entry.control for entry in varied} == {PLAIN}


def test_at_reference_scale_an_entry_is_the_experiment_itself():
    entry = catalogue.find(BCE)
    assert entry.at('reference') is entry.experiment
    assert entry.experiment.published == paths.RESULTS / BCE


def test_at_smoke_scale_every_entry_is_small_and_keeps_away_from_the_results():
    smokes = [entry.at('smoke') for entry in catalogue.entries().values()]
    for entry, smoke in zip(catalogue.entries().values(), smokes):
        assert smoke.scale == 'smoke' and 0 < smoke.num_train <= 3200 and smoke.num_epochs <= 4
        same = ('vae', 'discriminator', 'disc_norm', 'lr', 'kl_weight', 'disc_weight', 'latents')
        same += ('pbp_weight', 'dis_l_weight', 'disc_weighting', 'disc_ramp_epochs', 'pbp_decay')
        assert all(getattr(smoke, n) == getattr(entry.experiment, n) for n in same)
        assert smoke.published.is_relative_to(paths.RUNS)
        assert smoke.work != entry.experiment.work
    assert len({smoke.folder for smoke in smokes}) == len(smokes)


def test_at_smoke_scale_faces_are_avatars_and_fewer_where_the_faces_are_fewer():
    sizes = {0: (3200, 500), 6400: (800, 200), 3200: (400, 100)}
    for entry in catalogue.entries().values():
        smoke = entry.at('smoke')
        assert smoke.dataset == {'mnist': 'mnist', 'anime': 'avatars'}[entry.experiment.dataset]
        assert (smoke.num_train, smoke.num_held_out) == sizes[entry.experiment.num_train]
        if entry.control:
            control = catalogue.find(entry.control).at('smoke')
            assert all(getattr(control, n) == getattr(smoke, n) for n in OF_THE_DATA)


def test_at_smoke_scale_the_share_of_solo_epochs_is_kept():
    for row, solo in (('50+150', 1), ('100+100', 2), ('150+50', 3), ('200', 0)):
        smoke = catalogue.find(f'{THEIRS}512_32_{row}_10_1').at('smoke')
        assert (smoke.solo_epochs, smoke.num_epochs) == (solo, 4)
    for entry in catalogue.entries().values():
        smoke = entry.at('smoke')
        assert smoke.solo_epochs < 4 and bool(smoke.solo_epochs) == bool(
            entry.experiment.solo_epochs
        )


@pytest.mark.parametrize('name', ['', 'no_such_run', 'DenseVAE_on_MNIST', 'MNIST/5_3_400_bce_50'])
def test_an_unknown_run_ends_with_a_sentence(name):
    assert f'There is no run {name}:' in sentence(name)


def test_the_state_of_a_row_is_read_from_its_results_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, 'RESULTS', tmp_path)
    (tmp_path / BCE).mkdir(parents=True)
    (tmp_path / BCE / 'summary.json').write_text(json.dumps({'seeds': [0, 2]}))
    assert [catalogue.state(folder) for folder in (BCE, L2)] == ['done, seeds 0 2', 'to run']
    assert catalogue.summary(BCE) == {'seeds': [0, 2]}
    assert catalogue.summary(L2) is None


def test_the_state_of_a_row_of_faces_is_read_from_the_folder_that_says_what_was_run(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(paths, 'RESULTS', tmp_path)
    (tmp_path / FACES[CONV]).mkdir(parents=True)
    (tmp_path / FACES[CONV] / 'summary.json').write_text(json.dumps({'seeds': [1]}))
    assert [catalogue.state(folder) for folder in FACES].count('to run') == 8
    assert catalogue.state(CONV) == 'done, seeds 1'
    assert catalogue.summary(CONV) == {'seeds': [1]}


def test_a_damaged_summary_ends_with_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, 'RESULTS', tmp_path)
    (tmp_path / BCE).mkdir(parents=True)
    (tmp_path / BCE / 'summary.json').write_text('{"seeds": [')
    with pytest.raises(CourseError, match=f'{BCE} holds no result'):
        catalogue.summary(BCE)
