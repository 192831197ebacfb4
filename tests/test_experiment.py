"""Experiments: parameters checked by name, folders named by them, checkpoints of their own."""

import itertools

import pytest
import yaml
from tiny import combo, equal, image_data, solo, weights

from d2lvae import paths
from d2lvae.data import ImageData
from d2lvae.errors import CourseError
from d2lvae.experiment import COMBO_ONLY, NOT_PARAMETERS, Experiment

OTHER = {  # for each parameter another value than that of `combo`
    'num_train': 320,
    'num_held_out': 32,
    'latents': 3,
    'hidden_layers': 2,
    'hidden_nodes': 17,
    'pbp_loss': 'l2',
    'num_epochs': 5,
    'batch_size': 31,
    'lr': 1e-4,
    'lr_schedule': 'constant',
    'binarise_input': False,
    'augment': 0.25,
    'disc_layers': 2,
    'disc_nodes': 9,
    'solo_epochs': 1,
    'beta1': 0.5,
    'disc_weight': 0.1,
    'pbp_weight': 0.3,
    'pbp_decay': 0.95,
    'pbp_decay_every': 24,
}


def refused(**parameters):
    with pytest.raises(CourseError) as e:
        Experiment(**parameters)
    assert '\n' not in str(e.value) and str(e.value).endswith('.')
    return str(e.value)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, 'RUNS', tmp_path / 'runs')
    monkeypatch.setattr(paths, 'RESULTS', tmp_path / 'results')
    return tmp_path / 'runs'


# Parameters


@pytest.mark.parametrize(
    'name, value, allowed',
    [
        ('num_epochs', 0, 'greater than or equal to 1'),
        ('num_epochs', True, 'integer'),
        ('num_epochs', 2.5, 'integer'),
        ('num_epochs', '3', 'integer'),
        ('num_train', -1, 'greater than or equal to 0'),
        ('lr', 0.0, 'greater than 0'),
        ('lr', 2.0, 'less than or equal to 1'),
        ('lr', float('nan'), 'less than or equal to 1'),
        ('lr', False, 'number'),
        ('disc_weight', float('inf'), 'finite'),
        ('disc_weight', -1.0, 'greater than or equal to 0'),
        ('beta1', 1.0, 'less than 1'),
        ('pbp_decay', 1.5, 'less than or equal to 1'),
        ('augment', 5.0, 'less than or equal to 4'),
        ('binarise_input', 1, 'boolean'),
        ('binarise_input', 'yes', 'boolean'),
        ('pbp_loss', 'l1', "'bce' or 'l2'"),
        ('pbp_loss', None, "'bce' or 'l2'"),
        ('vae', 'ConvVAE', "'DenseVAE'"),
        ('dataset', 'cifar', "'mnist'"),
        ('discriminator', 'ConvDisc', "'DenseLogReg'"),
        ('lr_schedule', 'linear', "'constant' or 'cosine'"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_and_what_is_allowed(name, value, allowed):
    sentence = refused(**{name: value})
    assert sentence.startswith(f'Parameter {name} ') and f'was {value!r}' in sentence
    assert allowed in sentence


def test_a_number_that_yaml_reads_as_text_gets_a_hint():
    assert yaml.safe_load('1e-4') == '1e-4'
    assert 'in YAML a number like 1e-4 is written 1.0e-4' in refused(lr='1e-4')
    assert yaml.safe_load('1.0e-4') == 1e-4
    for value in ('fast', 'nan', 0.0):
        assert 'YAML' not in refused(lr=value)


def test_an_unknown_name_is_refused_with_all_the_known_ones():
    sentence = refused(epochs=3)
    assert 'Unknown parameter epochs' in sentence
    assert all(name in sentence for name in combo().parameters())


def test_more_solo_epochs_than_epochs_are_refused():
    assert 'solo_epochs (5) are a part of num_epochs (4)' in refused(num_epochs=4, solo_epochs=5)
    assert Experiment(num_epochs=4, solo_epochs=4).solo_epochs == 4


@pytest.mark.parametrize('sizes', [(32, 33), (32, 0), (9999, 0)])
def test_more_held_out_than_training_pictures_are_refused(sizes):
    num_train, num_held_out = sizes
    assert 'must not be more than num_train' in refused(
        num_train=num_train, num_held_out=num_held_out
    )


def test_the_defaults_are_the_studys_plain_vae_on_all_of_mnist():
    expected = {'latents': 5, 'hidden_layers': 3, 'hidden_nodes': 400, 'num_epochs': 50}
    expected |= {'num_train': 0, 'num_held_out': 0, 'batch_size': 64, 'lr': 1e-3}
    parameters = Experiment().parameters()
    assert {name: parameters[name] for name in expected} == expected


def test_an_experiment_cannot_be_changed_afterwards():
    experiment = solo()
    with pytest.raises(ValueError, match='frozen'):
        experiment.lr = 0.5
    assert experiment == solo()


@pytest.mark.parametrize('experiment', [solo(lr=1e-5), combo(lr=1e-5)])
def test_parameters_come_back_from_yaml_and_lead_to_the_same_folder(experiment):
    text = yaml.safe_dump(experiment.parameters())
    again = Experiment(**yaml.safe_load(text))
    assert again.parameters() == experiment.parameters()
    assert again.folder == experiment.folder


def test_parameters_of_a_solo_run_leave_out_what_only_a_discriminator_uses():
    assert set(combo().parameters()) - set(solo().parameters()) == set(COMBO_ONLY)
    assert solo(disc_weight=7.0).folder == solo().folder
    assert not set(combo().parameters()) & set(NOT_PARAMETERS)


def test_every_parameter_changes_the_folder():
    free = set(combo().parameters()) - {'dataset', 'vae', 'discriminator'}
    assert set(OTHER) == free  # the other three have one value each
    folders = [combo().folder] + [combo(**{n: value}).folder for n, value in OTHER.items()]
    assert len(set(folders)) == len(folders)


def test_folders_are_named_by_model_data_and_sizes():
    assert solo().folder.startswith('DenseVAE_on_MNIST/2_1_16_bce_4-')
    assert combo().folder.startswith('DenseVAE_DenseLogReg_on_MNIST/2_1_16_1_8_4-')
    assert combo(run='mine').folder == 'DenseVAE_DenseLogReg_on_MNIST/mine'


def test_only_reference_runs_go_to_the_results(runs):
    published = {scale: solo(run='x', scale=scale).published for scale in ('smoke', 'study')}
    assert set(published.values()) == {runs / 'results' / 'DenseVAE_on_MNIST' / 'x'}
    reference = solo(run='x', scale='reference')
    assert reference.published == paths.RESULTS / 'DenseVAE_on_MNIST' / 'x'
    assert reference.work == runs / 'work' / 'DenseVAE_on_MNIST' / 'x'


def test_the_same_vae_alone_has_the_same_sizes_and_no_discriminator():
    alone = combo(run='mine').alone()
    assert alone.parameters() == solo().parameters()
    assert alone.folder == solo().folder


# What is built from them


def test_every_parameter_of_the_training_reaches_the_trainer():
    trainer = combo(**{n: v for n, v in OTHER.items() if n != 'num_epochs'}).trainer(seed=3)
    for name in ('batch_size', 'lr', 'lr_schedule', 'binarise_input', 'augment', 'solo_epochs'):
        assert getattr(trainer, name) == OTHER[name]
    for name in ('beta1', 'disc_weight', 'pbp_weight', 'pbp_decay', 'pbp_decay_every'):
        assert getattr(trainer, name) == OTHER[name]
    assert combo(num_epochs=5).trainer(seed=3).num_epochs == 5
    assert trainer.seed == 3


def test_networks_have_the_sizes_and_the_loss():
    vae, disc = combo(latents=3, hidden_layers=2, disc_layers=2, pbp_loss='l2').networks(
        (1, 6, 5), seed=0
    )
    shapes = [w.shape for n, w in weights(vae).items() if n.endswith('weight')]
    assert shapes == [(16, 30), (16, 16), (6, 16), (16, 3), (16, 16), (30, 16)]
    shapes = [w.shape for n, w in weights(disc).items() if n.endswith('weight')]
    assert shapes == [(8, 30), (8, 8), (1, 8)]
    assert vae.pbp_loss == 'l2' and vae.latents == 3
    assert solo().networks((1, 6, 5), seed=0)[1] is None


def test_first_weights_follow_from_the_seed():
    nets = [combo().networks((1, 6, 5), seed) for seed in (0, 0, 1)]
    for (a, b), same in zip(itertools.combinations(nets, 2), (True, False, False)):
        assert equal(weights(a[0]), weights(b[0])) == same
        assert equal(weights(a[1]), weights(b[1])) == same


def test_data_are_the_first_digits():
    data = solo(num_train=70, num_held_out=50).data()
    assert (len(data.train_images), len(data.held_out_images)) == (70, 50)


# Checkpoints; killed processes are in test_resume.py


class NoMore(ImageData):
    """Pictures that nobody may train on."""

    def shuffled_batches(self, batch_size, rng):
        pytest.fail('a finished seed was trained again')


def test_a_finished_seed_is_loaded_and_not_trained_again(runs):
    trained = combo().train(0, image_data(64))
    again = combo().train(0, image_data(64, NoMore))
    loaded = combo().load(0, (1, 6, 5))
    for a, b, c in zip(trained, again, loaded):
        assert equal(weights(a), weights(b)) and equal(weights(a), weights(c))


def test_statistics_of_a_finished_seed_have_a_row_an_epoch(runs):
    combo().train(0, image_data(64))
    rows = combo().trained(0)
    assert [(row['epoch'], row['phase']) for row in rows] == [
        (0, 'solo'),
        (1, 'solo'),
        (2, 'combo'),
        (3, 'combo'),
    ]
    assert [row['adversarial'] is None for row in rows] == [True, True, False, False]


def test_seeds_lie_beside_each_other(runs):
    first, _ = solo().train(0, image_data(64))
    second, _ = solo().train(1, image_data(64))
    assert not equal(weights(first), weights(second))
    assert equal(weights(solo().load(0, (1, 6, 5))[0]), weights(first))


def test_a_seed_that_is_not_finished_here_cannot_be_loaded(runs):
    assert solo().trained(0) is None
    with pytest.raises(CourseError, match='no finished seed 0 on this machine') as e:
        solo().load(0, (1, 6, 5))
    assert '\n' not in str(e.value)


def test_checkpoints_that_were_begun_with_other_parameters_are_refused(runs):
    solo(run='mine').train(0, image_data(64))
    with pytest.raises(CourseError, match='was begun with other parameters') as e:
        solo(run='mine', lr=1e-4).train(1, image_data(64))
    assert str(runs) in str(e.value) and '\n' not in str(e.value)
    assert not (solo(run='mine').work / 'seed_1' / 'checkpoint').exists()
    solo(run='mine').train(1, image_data(64))
    assert solo(run='mine').trained(1)


def test_a_damaged_checkpoint_ends_with_a_sentence_that_names_it(runs):
    solo().train(0, image_data(64))
    path = solo().work / 'seed_0' / 'checkpoint' / 'vae.safetensors'
    path.write_bytes(path.read_bytes()[:-7])
    for call in (lambda: solo().load(0, (1, 6, 5)), lambda: solo().train(0, image_data(64))):
        with pytest.raises(CourseError, match=f'{path} does not hold the weights'):
            call()


def test_a_file_in_the_place_of_the_runs_ends_with_a_sentence(runs):
    runs.write_text('in the way')
    with pytest.raises(CourseError, match='move what is in the way') as e:
        solo().train(0, image_data(64))
    assert str(runs) in str(e.value) and '\n' not in str(e.value)
