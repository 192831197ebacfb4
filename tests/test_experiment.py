"""Experiments: parameters checked by name, folders named by them, checkpoints of their own."""

import itertools

import pytest
import yaml
from tiny import FACE, combo, equal, face, face_combo, image_data, solo, weights

from d2lvae import layers, networks
from d2lvae.base import files, paths
from d2lvae.base.errors import CourseError
from d2lvae.data import DATASETS, ImageData
from d2lvae.runs.experiment import NOT_PARAMETERS, Experiment

SIZES_OF_DISC = {'disc_layers', 'disc_nodes', 'disc_channels', 'disc_norm'}
OPTIONS = set(Experiment.of('disc')) - {'discriminator'}  # left out at their defaults
FIXED = {'dataset', 'vae', 'discriminator'}  # which decide what other parameters there are
OTHER = {  # for each other parameter another value than that of `combo`
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
    'pbp_decay_every': 24.0,
}
OTHER_FACES = {  # the same for `face_combo`
    'num_train': 80,
    'num_held_out': 17,
    'image_size': 64,
    'latents': 3,
    'base_channels': 3,
    'upsampling': 'transposed',
    'pbp_loss': 'l2',
    'num_epochs': 5,
    'batch_size': 15,
    'lr': 1e-4,
    'lr_schedule': 'constant',
    'augment': 0.25,
    'flip': False,
    'kl_weight': 0.2,
    'disc_channels': 3,
    'disc_norm': 'none',
    'solo_epochs': 1,
    'beta1': 0.5,
    'disc_weight': 0.1,
    'pbp_weight': 0.3,
    'pbp_decay': 0.95,
    'pbp_decay_every': 2.5,
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
        ('lr', float('nan'), 'a finite number'),
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
        ('vae', 'ResNet', 'none of DenseVAE, ConvVAE, DeepConvVAE'),
        ('dataset', '', 'at least 1 character'),
        ('dataset', None, 'string'),
        ('discriminator', 'PatchGAN', 'none of DenseLogReg, ConvDisc, DeepConvDisc, ResNet'),
        ('image_size', 48, '32, 64 or 128'),
        ('image_size', '64', '32, 64 or 128'),
        ('base_channels', 0, 'greater than or equal to 1'),
        ('upsampling', 'bilinear', "'resize' or 'transposed'"),
        ('disc_channels', 1.5, 'integer'),
        ('disc_norm', 'layer', "'batch', 'spectral' or 'none'"),
        ('flip', 'no', 'boolean'),
        ('kl_weight', -0.1, 'greater than or equal to 0'),
        ('kl_weight', float('inf'), 'finite'),
        ('pbp_decay_every', 0.0, 'greater than 0'),
        ('pbp_decay_every', float('inf'), 'finite'),
        ('lr_schedule', 'linear', "'constant' or 'cosine'"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_and_what_is_allowed(name, value, allowed):
    sentence = refused(**{name: value})
    assert sentence.startswith(f'Parameter {name} ') and repr(value) in sentence
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
    assert all(name in sentence for name in combo().parameters() | face_combo().parameters())


def test_more_solo_epochs_than_epochs_are_refused():
    assert 'solo_epochs (5) are a part of num_epochs (4)' in refused(num_epochs=4, solo_epochs=5)
    assert Experiment(num_epochs=4, solo_epochs=4).solo_epochs == 4


@pytest.mark.parametrize('sizes', [(32, 33), (32, 0), (9999, 0)])
def test_more_held_out_than_training_pictures_are_refused(sizes):
    num_train, num_held_out = sizes
    assert 'must not be more than num_train' in refused(
        num_train=num_train, num_held_out=num_held_out
    )


@pytest.mark.parametrize(
    'sizes, allowed',
    [
        ({'dataset': 'avatars'}, True),  # 800 and 200
        ({'dataset': 'avatars', 'num_train': 200}, True),
        ({'dataset': 'avatars', 'num_train': 199}, False),
        ({'dataset': 'avatars', 'num_held_out': 801}, False),
        ({'dataset': 'avatars', 'num_train': 900, 'num_held_out': 801}, True),
        ({'dataset': 'anime', 'num_held_out': 10**6}, True),  # only the data know how many
        ({'dataset': 'my/faces.zip', 'num_train': 32, 'num_held_out': 33}, False),
    ],
)
def test_all_faces_are_as_many_as_there_are(sizes, allowed):
    if allowed:
        assert Experiment(**sizes)
    else:
        assert 'must not be more than num_train' in refused(**sizes)


@pytest.mark.parametrize('name', ['ConvVAE', 'DeepConvVAE', 'ConvDisc', 'DeepConvDisc', 'ResNet'])
def test_convolutional_networks_are_refused_for_digits(name):
    which = 'vae' if name.endswith('VAE') else 'discriminator'
    assert refused(**{which: name}) == (
        f'{name} needs pictures whose side is a power of 2, and digits have 28 pixels: use it '
        'with the faces of avatars or anime, or use DenseVAE and DenseLogReg.'
    )
    for dataset in ('avatars', 'anime', 'my/faces.zip'):
        assert Experiment(dataset=dataset, **{which: name})


@pytest.mark.parametrize('name, value', [('image_size', 32), ('flip', True)])
def test_what_is_for_faces_is_refused_for_digits(name, value):
    assert refused(**{name: value}) == f'{name} is for faces, not digits: leave it out.'
    assert getattr(Experiment(dataset='avatars', **{name: value}), name) == value


def test_what_is_for_digits_is_refused_for_faces():
    sentence = refused(dataset='avatars', binarise_input=True)
    assert sentence == 'binarise_input is for digits, not faces: leave it out.'


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


@pytest.mark.parametrize('experiment', [make(lr=1e-5) for make in (solo, combo, face, face_combo)])
def test_parameters_come_back_from_yaml_and_lead_to_the_same_folder(experiment):
    text = yaml.safe_dump(experiment.parameters())
    again = Experiment(**yaml.safe_load(text))
    assert again.parameters() == experiment.parameters()
    assert again.folder == experiment.folder


def test_parameters_of_a_solo_run_leave_out_what_only_a_discriminator_uses():
    for alone, with_disc in ((solo, combo), (face, face_combo)):
        of_disc = {*Experiment.of('combo', 'disc'), *SIZES_OF_DISC}
        more = set(with_disc().parameters()) - set(alone().parameters())
        assert more <= of_disc and not set(alone().parameters()) & of_disc
        assert alone(disc_weight=7.0).folder == alone().folder
        assert not set(with_disc().parameters()) & set(NOT_PARAMETERS)


@pytest.mark.parametrize(
    'left_out, experiment',
    [
        ('image_size flip kl_weight base_channels upsampling disc_channels disc_norm', combo()),
        ('hidden_layers hidden_nodes binarise_input disc_layers disc_nodes', face_combo()),
        (
            'hidden_layers hidden_nodes binarise_input disc_channels disc_norm',
            face_combo(discriminator='DenseLogReg'),
        ),
        (
            'base_channels upsampling binarise_input disc_layers disc_nodes',
            face_combo(vae='DenseVAE', discriminator='DeepConvDisc'),
        ),
        (
            'hidden_layers hidden_nodes binarise_input disc_layers disc_nodes disc_norm',
            face_combo(vae='DeepConvVAE', discriminator='ResNet'),
        ),
    ],
)
def test_parameters_that_do_not_apply_are_left_out_and_change_nothing(left_out, experiment):
    left_out = set(left_out.split())
    known = Experiment.model_fields.keys() - NOT_PARAMETERS
    assert known - experiment.parameters().keys() == left_out | {*OPTIONS, 'frozen_weight'}
    for name in left_out & {'hidden_layers', 'base_channels', 'disc_layers', 'disc_channels'}:
        other = Experiment(**experiment.model_dump() | {name: 7})
        assert other.spelled() == experiment.spelled() and other.folder == experiment.folder


@pytest.mark.parametrize('make, others', [(combo, OTHER), (face_combo, OTHER_FACES)])
def test_every_parameter_changes_the_folder(make, others):
    assert set(others) == set(make().parameters()) - FIXED
    folders = [make().folder] + [make(**{n: value}).folder for n, value in others.items()]
    assert len(set(folders)) == len(folders)


def test_folders_are_named_by_model_data_and_sizes():
    assert solo().folder.startswith('DenseVAE_on_MNIST/2_1_16_bce_4-')
    assert combo().folder.startswith('DenseVAE_DenseLogReg_on_MNIST/2_1_16_1_8_4-')
    assert combo(run='mine').folder == 'DenseVAE_DenseLogReg_on_MNIST/mine'
    assert face().folder.startswith('ConvVAE_on_avatars/2_2_bce_4-')
    assert face_combo().folder.startswith('ConvVAE_ConvDisc_LeakyReLU_on_avatars/2_2_2_4-')
    mixed = face_combo(vae='DenseVAE', hidden_layers=3, hidden_nodes=50, disc_channels=9)
    assert mixed.folder.startswith('DenseVAE_ConvDisc_LeakyReLU_on_avatars/2_3_50_9_4-')


@pytest.mark.parametrize(
    'discriminator, channels, spelled',
    [
        ('ConvDisc', 32, 'ConvVAE_ConvDisc_LeakyReLU_on_anime'),
        ('ConvDisc', 64, 'ConvVAE_ConvDisc_LeakyReLU_on_anime'),
        ('DeepConvDisc', 64, 'ConvVAE_DeepConvDisc_on_anime'),
        ('ResNet', 64, 'ConvVAE_ResNet_on_anime'),  # the usual width
        ('ResNet', 32, 'ConvVAE_ResNet32_on_anime'),
        ('DenseLogReg', 32, 'ConvVAE_DenseLogReg_on_anime'),
        (None, 32, 'ConvVAE_on_anime'),
    ],
)
def test_discriminators_are_spelled_as_in_the_study(discriminator, channels, spelled):
    options = {'dataset': 'anime', 'discriminator': discriminator, 'disc_channels': channels}
    assert face(**options).folder.split('/')[0] == spelled


@pytest.mark.parametrize(
    'dataset, name',
    [
        ('mnist', 'MNIST'),
        ('avatars', 'avatars'),
        ('anime', 'anime'),
        ('my/faces.zip', 'faces'),
        ('/home/me/portraits/', 'portraits'),
    ],
)
def test_the_folder_names_the_data(dataset, name):
    assert Experiment(dataset=dataset, run='x').folder == f'DenseVAE_on_{name}/x'


COMMITTED = sorted(paths.RESULTS.glob('*/*/parameters.yaml'))


@pytest.mark.parametrize('path', COMMITTED, ids=lambda path: path.parent.name)
def test_committed_parameters_are_read_and_written_as_they_are(path):
    experiment = Experiment(**yaml.safe_load(path.read_text()), run=path.parent.name)
    assert path.read_text() == yaml.safe_dump(experiment.parameters(), sort_keys=False)
    assert experiment.folder == str(path.parent.relative_to(paths.RESULTS))


def test_only_reference_runs_go_to_the_results(runs):
    assert solo(run='x').published == runs / 'results' / 'DenseVAE_on_MNIST' / 'x'
    reference = solo(run='x', scale='reference')
    assert reference.published == paths.RESULTS / 'DenseVAE_on_MNIST' / 'x'
    assert reference.work == runs / 'work' / 'DenseVAE_on_MNIST' / 'x'


# Changes


@pytest.mark.parametrize(
    'changes, named',
    [
        ({'dsic_weight': 3.0}, 'Unknown parameter dsic_weight'),
        ({'disc_weight': -1.0}, 'disc_weight should be greater than or equal to 0'),
        ({'disc_weight': 'heavy'}, 'disc_weight should be a valid number'),
        ({'disc_weight': float('nan')}, 'disc_weight should be a finite number'),
        ({'solo_epochs': 99}, 'solo_epochs (99) are a part of num_epochs'),
        ({'discriminator': 'ConvDsic'}, 'is none of DenseLogReg, ConvDisc'),
        ({'adversarial_loss': 'wgan'}, 'is none of non_saturating, hinge, least_squares'),
        ({'vae': 'MyVAE'}, 'registered in networks.VAES by the cell that defines it'),
        ({'num_held_out': 1}, 'num_held_out must be 2 at least'),
        ({'batch_size': 257}, 'batch_size (257) must not be more than num_train'),
        ({'run': '../elsewhere'}, 'no slash'),
        ({'run': 'x' * 101}, 'at most 100 letters'),
    ],
)
def test_a_change_is_checked_as_if_it_had_been_given_at_first(changes, named):
    with pytest.raises(CourseError) as e:
        combo().changed(**changes)
    assert named in str(e.value) and '\n' not in str(e.value)


def test_a_change_changes_what_it_names_and_nothing_else():
    changed = combo().changed(disc_weight=7.0)
    assert changed == combo(disc_weight=7.0)
    assert combo().disc_weight == 3


def test_a_whole_number_and_its_float_are_one_run():
    assert combo(disc_weight=2).folder == combo(disc_weight=2.0).folder
    assert combo().changed(disc_weight=2).folder == combo(disc_weight=2.0).folder


def test_a_beta_vae_on_digits_is_another_run_and_without_beta_nothing_is_said_of_it():
    assert 'kl_weight' not in solo().parameters()
    assert solo(kl_weight=4.0).parameters()['kl_weight'] == 4
    assert solo(kl_weight=4.0).folder != solo().folder


def test_matched_plain_runs_of_recipes_that_differ_in_their_discriminator_are_one():
    plain = face_combo(run='mine').matched_plain()
    changes = {'disc_norm': 'batch', 'disc_channels': 4, 'disc_shift': 3, 'disc_weight': 9.0}
    assert face_combo(**changes).matched_plain().folder == plain.folder
    assert face_combo(pbp_weight=0.5).matched_plain().folder != plain.folder
    assert Experiment(**plain.parameters()).folder == plain.folder
    assert plain.folder.startswith('ConvVAE_on_avatars/')


# What is built from them


@pytest.mark.parametrize('make, others', [(combo, OTHER), (face_combo, OTHER_FACES)])
def test_every_parameter_of_the_training_reaches_the_trainer(make, others):
    trainer = make(**others).trainer(seed=3)
    of_data = {'num_train', 'num_held_out', 'image_size'}
    of_networks = {'latents', 'base_channels', 'hidden_layers', 'hidden_nodes', 'upsampling'}
    of_networks |= {'pbp_loss', 'disc_channels', 'disc_norm', 'disc_layers', 'disc_nodes'}
    names = others.keys() - of_data - of_networks
    assert {name: getattr(trainer.p, name) for name in names} == {n: others[n] for n in names}
    assert len(names) >= 11 and trainer.seed == 3


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


def shapes_of(net):
    return [w.shape for n, w in weights(net).items() if n.endswith('weight')]


def test_convolutional_networks_have_the_sizes_and_the_upsampling():
    experiment = face_combo(base_channels=3, latents=5, upsampling='transposed', pbp_loss='l2')
    vae, disc = experiment.networks(FACE, seed=0)
    maps = [(3, 3, 4, 4), (6, 3, 4, 4), (12, 6, 4, 4)]
    assert shapes_of(vae.encoder) == [*maps, (10, 12 * 16)]
    assert shapes_of(vae.decoder) == [(12 * 16, 5), (12, 6, 4, 4), (6, 3, 4, 4), (3, 3, 4, 4)]
    assert vae.pbp_loss == 'l2' and vae.latents == 5
    assert shapes_of(disc) == [(2, 3, 4, 4), (4, 2, 4, 4), (8, 4, 4, 4), (1, 8, 4, 4)]
    resized = face().networks(FACE, seed=0)[0].decoder
    assert [shape[2:] for shape in shapes_of(resized)[1:]] == [(3, 3)] * 3
    assert face().networks(FACE, seed=0)[1] is None


def test_deep_networks_are_deeper():
    vae, disc = face_combo(vae='DeepConvVAE', discriminator='DeepConvDisc').networks(FACE, seed=0)
    assert [len(shapes_of(net)) for net in (vae.encoder, vae.decoder, disc)] == [7, 7, 7]
    vae, disc = face_combo().networks(FACE, seed=0)
    assert [len(shapes_of(net)) for net in (vae.encoder, vae.decoder, disc)] == [4, 4, 4]


@pytest.mark.parametrize('norm', ['batch', 'spectral', 'none'])
@pytest.mark.parametrize('discriminator', ['ConvDisc', 'DeepConvDisc'])
def test_discriminators_have_the_norm(discriminator, norm):
    disc = face_combo(discriminator=discriminator, disc_norm=norm).networks(FACE, seed=0)[1]
    assert layers.has_batch_norm(disc) == (norm == 'batch')
    assert any(name.endswith('.u') for name in weights(disc)) == (norm == 'spectral')


def test_a_resnet_has_its_width():
    disc = face_combo(discriminator='ResNet', disc_channels=3).networks(FACE, seed=0)[1]
    assert isinstance(disc, networks.ResNet)
    assert shapes_of(disc)[0] == (3, 3, 7, 7) and shapes_of(disc)[-1] == (1, 24)


def test_networks_of_both_kinds_go_together():
    vae, disc = combo(dataset='avatars', binarise_input=False, discriminator='ConvDisc').networks(
        FACE, seed=0
    )
    assert shapes_of(vae)[0] == (16, 3 * 32 * 32) and len(shapes_of(disc)[0]) == 4
    vae, disc = face_combo(discriminator='DenseLogReg', disc_nodes=7).networks(FACE, seed=0)
    assert len(shapes_of(vae)[0]) == 4 and shapes_of(disc)[0] == (7, 3 * 32 * 32)


@pytest.mark.parametrize('make, shape', [(combo, (1, 6, 5)), (face_combo, FACE)])
def test_first_weights_follow_from_the_seed(make, shape):
    nets = [make().networks(shape, seed) for seed in (0, 0, 1)]
    for (a, b), same in zip(itertools.combinations(nets, 2), (True, False, False)):
        assert equal(weights(a[0]), weights(b[0])) == same
        assert equal(weights(a[1]), weights(b[1])) == same


def test_data_are_the_first_digits():
    data = solo(num_train=70, num_held_out=50).data()
    assert (len(data.train_images), len(data.held_out_images)) == (70, 50)


def test_a_folder_with_more_held_out_than_training_pictures_is_refused_before_the_training(
    monkeypatch,
):
    few = image_data(7, shape=FACE)
    monkeypatch.setattr('d2lvae.runs.experiment.load_data', lambda *_, **__: few)
    with pytest.raises(CourseError, match='There are 8 held-out pictures, and 7 to') as e:
        Experiment(dataset='my/faces.zip', num_train=7, batch_size=7).data()
    assert '\n' not in str(e.value)


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


def test_a_finished_seed_is_loaded_while_another_process_looks_at_it(runs):
    trained, _ = solo(run='mine').train(0, image_data(64))
    with files.locked(solo(run='mine').work / 'seed_0', 'It'):
        again, _ = solo(run='mine').train(0, image_data(64, NoMore))
        with pytest.raises(CourseError, match='begun with other parameters'):
            solo(run='mine', lr=1e-4).train(0, image_data(64))
    assert equal(weights(trained), weights(again))


def test_statistics_of_a_finished_seed_have_a_row_an_epoch(runs):
    combo().train(0, image_data(64))
    rows = combo().statistics(0)
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
    assert solo().statistics(0) is None
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
    assert solo(run='mine').statistics(1)


def test_a_parameter_that_came_later_has_its_default_in_earlier_checkpoints(runs):
    solo(run='mine').train(0, image_data(64))
    path = solo(run='mine').work / 'parameters.yaml'
    without_beta1 = {k: v for k, v in solo().parameters().items() if k != 'beta1'}
    path.write_text(yaml.safe_dump(without_beta1))
    solo(run='mine').train(1, image_data(64))
    with pytest.raises(CourseError, match='was begun with other parameters'):
        solo(run='mine', beta1=0.5).train(2, image_data(64))


@pytest.mark.parametrize('text', ['', 'lr', 'lr: [', 'no_such: 1', 'lr: -1.0'])
def test_checkpoints_whose_parameters_cannot_be_read_are_refused(runs, text):
    solo(run='mine').train(0, image_data(64))
    (solo(run='mine').work / 'parameters.yaml').write_text(text)
    with pytest.raises(CourseError, match='was begun with other parameters'):
        solo(run='mine').train(1, image_data(64))


def test_a_damaged_checkpoint_ends_with_a_sentence_that_names_it(runs):
    solo().train(0, image_data(64))
    path = solo().work / 'seed_0' / 'checkpoint' / 'vae.safetensors'
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(CourseError, match=f'{path} does not hold the weights'):
        solo().load(0, (1, 6, 5))
    with pytest.raises(CourseError, match=f'{path.parent} was damaged .*the same command again'):
        solo().train(0, image_data(64))


def test_a_file_in_the_place_of_the_runs_ends_with_a_sentence(runs):
    runs.write_text('in the way')
    with pytest.raises(CourseError, match='move what is in the way') as e:
        solo().train(0, image_data(64))
    assert str(runs) in str(e.value) and '\n' not in str(e.value)


# The pictures that a run is about


def test_other_pictures_behind_the_same_name_are_refused_and_nothing_is_overwritten(runs):
    solo().train(0, image_data(64))
    before = content(runs)
    for seed in (0, 1):
        with pytest.raises(CourseError, match='is about other pictures') as e:
            solo().train(seed, image_data(65))
        assert 'put the earlier ones back' in str(e.value) and '\n' not in str(e.value)
    assert content(runs) == before
    solo().train(0, image_data(64, NoMore))


def test_runs_of_before_pictures_were_recorded_are_refused_with_a_sentence(runs):
    solo().train(0, image_data(64))
    (solo().work / 'data.json').unlink()
    with pytest.raises(CourseError, match='by an earlier version of this course') as e:
        solo().train(0, image_data(64))
    assert '\n' not in str(e.value)


def content(folder):
    files_of = (path for path in folder.rglob('*') if path.is_file())
    return {path: path.read_bytes() for path in files_of if path.name != '.lock'}


# Networks and data sets of one's own


class Tiny(ImageData):
    kind, folder_name, side, default_sizes = 'digits', 'tiny', 6, (64, 8)

    def __init__(self, num_train=0, num_held_out=0, batch_size=64):
        data = image_data(num_train or 64, shape=(1, 6, 6))
        parts = (data.train_images, None), (data.held_out_images, None)
        super().__init__('tiny', *parts, 'drawn here', batch_size)


def test_a_data_set_of_ones_own_is_named_and_trained_like_any_other(runs, monkeypatch):
    monkeypatch.setitem(DATASETS, 'tiny', Tiny)
    experiment = Experiment(dataset='tiny', num_epochs=1, hidden_layers=1, batch_size=32)
    assert experiment.folder.startswith('DenseVAE_on_tiny/')
    vae, _ = experiment.train(0, experiment.data())
    assert len(experiment.statistics(0)) == 1
    assert 'class Tiny' in (experiment.work / 'own_dataset.py').read_text()
