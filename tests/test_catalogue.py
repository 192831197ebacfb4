"""The catalogue: the study's rows and our recipes as data, found by name."""

import json
from collections import Counter

import pytest
import yaml

from d2lvae.base import paths
from d2lvae.base.errors import CourseError
from d2lvae.runs import catalogue

BCE = 'DenseVAE_on_MNIST/5_3_400_bce_50'
L2 = 'DenseVAE_on_MNIST/5_3_400_l2_50'
GAN = 'DenseVAE_DenseLogReg_on_MNIST/5_3_400_1_200_50'
CONV, OUR_CONV = 'ConvVAE_on_anime/512_32_200_seeded', 'ConvVAE_on_anime/512_32_20_seeded'
BASELINE = 'ConvVAE_ResNet_on_anime/512_32_200_10_1'
DECAYING = 'ConvVAE_ResNet_on_anime/1024_32_200_10_1'
ENTRIES = catalogue.entries()
COMMITTED = sorted(paths.RESULTS.glob('*/*/parameters.yaml'))
OF_THE_VAE = ('vae', 'latents', 'base_channels', 'upsampling', 'hidden_layers', 'hidden_nodes')
OF_THE_DATA = ('dataset', 'image_size', 'num_train', 'num_held_out', 'pbp_loss')
OF_THE_DISC = ('discriminator', 'disc_channels', 'disc_norm', 'disc_shift', 'adversarial_loss')
# The study has neither a plain VAE of 1024 latents nor a plain deep one.
WITHOUT_A_PLAIN_ONE = {f for f, e in ENTRIES.items() if e.of_study and '/1024_' in f}


def sentence(name):
    with pytest.raises(CourseError) as e:
        catalogue.find(name)
    assert '\n' not in str(e.value)
    return str(e.value)


def changed(a, b):
    """The parameters in which two experiments differ."""
    a, b = (experiment.model_dump(exclude={'run', 'animated'}) for experiment in (a, b))
    return {name for name in a if a[name] != b[name]}


# The study's rows


def test_the_study_has_26_rows_for_24_different_runs():
    assert len(catalogue.study()) == 26
    assert catalogue.study()['folder'].nunique() == 24
    assert sum(entry.of_study for entry in ENTRIES.values()) == 24


def test_every_row_has_the_studys_figures():
    figures = catalogue.study()[['seed_final_vae_loss', 'seed_psnr_db', 'seed_laplacian_variance']]
    assert figures.notna().all().all()


def test_a_row_is_named_where_it_first_stands_and_nowhere_else():
    rows = catalogue.study()
    first = ~rows['folder'].duplicated()
    for column in ('run', 'label'):
        assert (rows[column].notna() == first).all()
    names = [*rows['run'].dropna(), *yaml.safe_load((catalogue.HERE / 'recipes.yaml').read_text())]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize('path', COMMITTED, ids=lambda path: path.parent.name)
def test_committed_results_have_the_parameters_of_their_entry(path):
    entry = catalogue.find(str(path.parent.relative_to(paths.RESULTS)))
    expected = yaml.safe_dump(entry.experiment.parameters())
    assert sorted(path.read_text().splitlines()) == expected.splitlines()
    assert entry.experiment.published == path.parent
    stored = json.loads((path.parent / 'summary.json').read_text())
    assert (stored['run'], stored['study_row']) == (entry.folder, entry.study_row)


def test_a_row_is_in_the_groups_and_chapters_that_it_stands_in():
    rows = catalogue.study()
    for entry in ENTRIES.values():
        if entry.of_study:
            own = rows[rows['folder'] == entry.study_row]
            assert entry.groups == tuple(own['group'])
            assert entry.chapters == tuple(own['chapter'].unique())
    assert catalogue.find(BASELINE).groups == catalogue.ABLATIONS
    assert catalogue.find(BASELINE).chapters == ('04', '05')


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
    [row] = [row for row in catalogue.study().itertuples() if row.folder == GAN]
    changes = {'latents': 7, 'hidden_layers': 2, 'hidden_nodes': 30, 'pbp_loss': 'l2', 'lr': 2e-4}
    changes |= {'batch_size': 32, 'disc_weight': 20.0, 'pbp_weight': 0.5}
    other = row._replace(
        **changes, disc_base_channels_or_nodes='4x60', solo_epochs=3, combo_epochs=6
    )
    expected = changes | {'disc_layers': 4, 'disc_nodes': 60, 'solo_epochs': 3, 'num_epochs': 9}
    experiment = catalogue.from_row(other)
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
    experiment = catalogue.from_row(other)
    assert {name: getattr(experiment, name) for name in expected} == expected


# Our own recipes


def test_every_recipe_is_an_entry_with_its_changes():
    recipes = yaml.safe_load((catalogue.HERE / 'recipes.yaml').read_text())
    assert len(ENTRIES) == len(recipes) + 24
    for run, recipe in recipes.items():
        entry = catalogue.find(run)
        given = {name: getattr(entry.experiment, name) for name in recipe['changes']}
        assert given == recipe['changes'] and entry.experiment.scale == 'reference'
        assert (entry.label, entry.note) == (recipe['label'], recipe['note'])
        if 'base' in recipe:
            base = catalogue.find(recipe['base'])
            assert changed(entry.experiment, base.experiment) <= set(recipe['changes'])
            assert entry.experiment.parameters() != base.experiment.parameters()
            assert entry.groups == tuple(recipe.get('groups', base.groups))
            assert not entry.of_study


@pytest.mark.parametrize('unknown', ['lable', 'seed'])
def test_a_recipe_that_says_something_unknown_is_refused(unknown):
    with pytest.raises(TypeError, match=unknown):
        catalogue.from_recipe({'a': catalogue.find(BCE)}, 'b', {}, base='a', **{unknown: 'x'})


def test_every_group_has_members_and_every_member_a_group():
    assert {name for entry in ENTRIES.values() for name in entry.groups} == set(catalogue.GROUPS)
    assert all(entry.groups and entry.chapters for entry in ENTRIES.values())


def test_labels_tell_the_runs_of_a_chapter_apart():
    labels = Counter((c, entry.label) for entry in ENTRIES.values() for c in entry.chapters)
    assert max(labels.values()) == 1


def test_a_group_has_its_rows_in_the_studys_order_each_before_our_recipes_for_it():
    for name in catalogue.GROUPS:
        members = [(entry.study_row, not entry.of_study) for entry in catalogue.group(name)]
        rows = [*catalogue.study()['folder'].unique(), None]
        assert members == sorted(members, key=lambda m: (rows.index(m[0]), m[1]))


# What a comparison may change: nothing else may differ within its group


CENTRES = {
    'mnist': '5_3_400_1_200_20_50_1_beta0.5_cosine',
    'avatars': '128_32_32_6+6_200_1_spectral_kl0.1_b16_beta0.5_shift8_cosine',
}
BEST_EPOCHS = 75, 24  # of the best recipes, which differ from their own plain runs alone
VARIED = {
    'avatars_dose': [{'disc_weight'}],
    'cures': [
        {'disc_weight'},
        {'disc_weight', 'frozen_weight'},
        {'disc_shift'},
        {'disc_norm'},
        {'discriminator'},
        {'adversarial_loss'},
    ],
    'digits_dose': [
        {'disc_weight'},
        {'disc_weight', 'disc_weighting'},
        {'disc_weight', 'pbp_weight', 'kl_weight'},
    ],
    'schedules': [{'solo_epochs'}, {'disc_weight'}],
}


@pytest.mark.parametrize('group', VARIED)
def test_the_runs_of_a_comparison_differ_in_what_it_names_alone(group):
    experiments = [e.experiment for e in catalogue.group(group)]
    experiments = [e for e in experiments if e.num_epochs not in BEST_EPOCHS]
    for dataset in {experiment.dataset for experiment in experiments}:
        centre = catalogue.find(CENTRES[dataset]).experiment
        for experiment in experiments:
            if experiment.dataset == dataset:
                assert changed(experiment, centre) in [set(), *VARIED[group]]


def test_the_weights_shares_and_cures_are_those_of_the_plan():
    def values(group, name, dataset):
        experiments = [e.experiment for e in catalogue.group(group)]
        return sorted({getattr(e, name) for e in experiments if e.dataset == dataset})

    assert values('digits_dose', 'disc_weight', 'mnist') == [0, 1, 5, 10, 20, 50, 150, 300]
    assert values('avatars_dose', 'disc_weight', 'avatars') == [0, 50, 100, 200, 400, 800]
    assert values('schedules', 'solo_epochs', 'mnist') == [0, 5, 10, 15, 18]
    assert values('schedules', 'solo_epochs', 'avatars') == [0, 6, 9]
    assert values('cures', 'disc_norm', 'avatars') == ['batch', 'none', 'spectral']
    assert values('cures', 'adversarial_loss', 'avatars') == [
        'hinge',
        'least_squares',
        'non_saturating',
    ]


def test_the_halved_run_has_all_weights_of_weight_20_halved():
    halved = catalogue.find('5_3_400_1_200_20_10_0.5_kl0.5_beta0.5_cosine').experiment
    whole = catalogue.find('5_3_400_1_200_20_20_1_beta0.5_cosine').experiment
    for name in ('disc_weight', 'pbp_weight', 'kl_weight'):
        assert getattr(halved, name) == getattr(whole, name) / 2


def test_one_run_of_digits_and_one_of_avatars_is_animated():
    animated = [entry.experiment for entry in ENTRIES.values() if entry.experiment.animated]
    assert sorted(experiment.dataset for experiment in animated) == ['avatars', 'mnist']


# Controls


def test_every_discriminator_has_a_control_that_is_the_same_vae_without_it():
    for folder, entry in ENTRIES.items():
        experiment = entry.experiment
        if (
            experiment.discriminator is None
            or experiment.disc_weight == 0 == experiment.dis_l_weight == experiment.frozen_weight
        ):
            assert entry.control is None
            continue
        control = catalogue.find(entry.control).experiment
        assert control.discriminator is None or control.disc_weight == 0
        same = OF_THE_DATA if folder in WITHOUT_A_PLAIN_ONE else OF_THE_DATA + OF_THE_VAE
        assert [getattr(control, n) for n in same] == [getattr(experiment, n) for n in same]


def test_a_matched_plain_run_differs_in_its_weight_and_in_what_only_a_discriminator_sees():
    matched = [e for e in ENTRIES.values() if e.control and '_0_' in e.control]
    assert len(matched) >= 25
    of_the_weights = {'disc_weight', 'disc_weighting', 'pbp_weight', 'kl_weight', 'solo_epochs'}
    of_the_weights |= {'frozen_weight'}
    for entry in matched:
        control = catalogue.find(entry.control).experiment
        assert control.disc_weight == 0
        different = changed(entry.experiment, control)
        assert different <= of_the_weights | set(OF_THE_DISC)
        if {'pbp_weight', 'kl_weight'} & different:
            assert '_kl0.5_' in entry.folder  # the halved run, held against weight 20's plain run


def test_where_the_study_has_no_plain_vae_of_the_size_the_smaller_one_is_the_control():
    assert len(WITHOUT_A_PLAIN_ONE) == 4
    controls = {catalogue.find(ENTRIES[f].control).folder for f in WITHOUT_A_PLAIN_ONE}
    assert controls == {OUR_CONV}


# Names, states, scales


def test_every_entry_is_found_by_each_of_its_names():
    for folder, entry in ENTRIES.items():
        assert entry.folder == folder
        for name in (folder, folder.split('/')[1]):
            assert catalogue.find(name) is entry
        if entry.of_study:
            assert catalogue.find(entry.study_row) is entry
            assert catalogue.find(entry.study_row.split('/')[1]) is entry


def test_at_reference_scale_an_entry_is_the_experiment_itself():
    entry = catalogue.find(BCE)
    assert entry.at('reference') is entry.experiment
    assert entry.experiment.published == paths.RESULTS / BCE


def test_at_smoke_scale_every_entry_is_small_and_keeps_away_from_the_results():
    smokes = [entry.at('smoke') for entry in ENTRIES.values()]
    changing = {'num_epochs', 'solo_epochs', 'dataset', 'num_train', 'num_held_out', 'scale'}
    for entry, smoke in zip(ENTRIES.values(), smokes):
        assert smoke.scale == 'smoke' and 0 < smoke.num_train <= 3200 and smoke.num_epochs <= 4
        assert changed(smoke, entry.experiment) <= changing
        assert smoke.published.is_relative_to(paths.RUNS)
        assert smoke.work != entry.experiment.work
    by_folder = {}
    for entry, smoke in zip(ENTRIES.values(), smokes):  # only schedules can become the same
        first = by_folder.setdefault(smoke.folder, entry)
        assert changed(first.experiment, entry.experiment) <= {'num_epochs', 'solo_epochs'}


def test_at_smoke_scale_faces_are_avatars_and_fewer_where_the_faces_are_fewer():
    sizes = {0: (3200, 500), 6400: (800, 200), 3200: (400, 100)}
    for entry in ENTRIES.values():
        smoke = entry.at('smoke')
        assert smoke.dataset == ('mnist' if entry.experiment.dataset == 'mnist' else 'avatars')
        assert (smoke.num_train, smoke.num_held_out) == sizes[entry.experiment.num_train]
        if entry.control:
            control = catalogue.find(entry.control).at('smoke')
            assert all(getattr(control, n) == getattr(smoke, n) for n in OF_THE_DATA)


def test_at_smoke_scale_the_share_of_solo_epochs_is_kept():
    for row, solo in (('50+150', 1), ('100+100', 2), ('150+50', 3), ('200', 0)):
        smoke = catalogue.find(f'ConvVAE_ResNet_on_anime/512_32_{row}_10_1').at('smoke')
        assert (smoke.solo_epochs, smoke.num_epochs) == (solo, 4)
    for entry in ENTRIES.values():
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
    assert [catalogue.find(folder).state for folder in (BCE, L2)] == ['done, seeds 0 2', 'to run']
    assert catalogue.summary(BCE) == {'seeds': [0, 2]}
    assert catalogue.summary(L2) is None


def test_the_state_of_a_row_of_faces_is_read_from_the_folder_that_says_what_was_run(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(paths, 'RESULTS', tmp_path)
    (tmp_path / OUR_CONV).mkdir(parents=True)
    (tmp_path / OUR_CONV / 'summary.json').write_text(json.dumps({'seeds': [1]}))
    assert [entry.state for entry in ENTRIES.values()].count('to run') == len(ENTRIES) - 1
    assert catalogue.find(CONV).state == catalogue.find(OUR_CONV).state == 'done, seeds 1'
    assert catalogue.summary(CONV) == {'seeds': [1]}


def test_a_damaged_summary_ends_with_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, 'RESULTS', tmp_path)
    (tmp_path / BCE).mkdir(parents=True)
    (tmp_path / BCE / 'summary.json').write_text('{"seeds": [')
    with pytest.raises(CourseError, match=f'{BCE} holds no result'):
        catalogue.summary(BCE)
