"""Sweeps: what a file asks for, and a real scheduler with two workers of which one is killed."""

import os
import re
import shutil
import socket
import threading
import time

import psutil
import pytest
import yaml
from dask.distributed import LocalCluster
from PIL import Image
from test_files import full_disk
from tiny import CONV_DISC, FACE_SIZES, combo, pictures, solo, without_seconds

from d2lvae.__main__ import main
from d2lvae.base import paths
from d2lvae.base.errors import CourseError
from d2lvae.metrics import mean_ci95
from d2lvae.runs import catalogue, grid, one_seed, results, sweep, tables
from d2lvae.runs.experiment import Experiment

GRID = {**FACE_SIZES, **CONV_DISC, 'disc_weight': [1.0, 10.0], 'solo_epochs': [0, 2]}


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, 'RUNS', tmp_path / 'runs')
    return tmp_path / 'runs'


def written(folder, parameters, **more):
    path = folder / 'mine.yaml'
    path.write_text(yaml.safe_dump({'parameters': parameters, **more}))
    return path


# What is to be run


def test_lists_are_tried_value_by_value_in_every_combination(tmp_path):
    runs, seeds = grid.from_yaml(written(tmp_path, GRID, seeds=[3, 5]))
    assert seeds == [3, 5]
    assert [(r.experiment.disc_weight, r.experiment.solo_epochs) for r in runs] == [
        (1.0, 0),
        (1.0, 2),
        (10.0, 0),
        (10.0, 2),
    ]
    assert runs[1].label == 'disc_weight 1.0, solo_epochs 2'
    assert all(r.control == r.experiment.matched_plain() for r in runs)


def test_a_file_without_lists_or_seeds_is_one_run_of_seed_0(tmp_path):
    [run], seeds = grid.from_yaml(written(tmp_path, FACE_SIZES))
    assert (run.label, run.control, seeds) == ('mine', None, [0])
    assert run.experiment == Experiment(**FACE_SIZES)


def test_runs_that_are_the_same_are_run_once(tmp_path):
    runs, _ = grid.from_yaml(written(tmp_path, GRID | {'disc_weight': [2.0, 2, 2.0]}))
    labels = ['disc_weight 2.0, solo_epochs 0', 'disc_weight 2.0, solo_epochs 2']
    assert [r.label for r in runs] == labels
    alone = {'vae': ['ConvVAE'], 'disc_weight': [1.0, 2.0]}  # which a VAE alone does not have
    assert len(grid.from_yaml(written(tmp_path, FACE_SIZES | alone))[0]) == 1


WRONG = {
    'there is no such file': None,
    'no YAML': 'parameters: [',
    'not a mapping': '- 1\n',
    'nothing': '',
    'no parameters': 'seeds: [0]',
    'empty parameters': 'parameters: {}',
    'another key': 'parameters: {lr: 0.1}\nepochs: 3',
    'no seeds': 'parameters: {lr: 0.1}\nseeds: []',
    'a negative seed': 'parameters: {lr: 0.1}\nseeds: [-1]',
    'a large seed': 'parameters: {lr: 0.1}\nseeds: [4294967296]',
    'an empty list': 'parameters: {lr: []}',
    'an unknown parameter': 'parameters: {rate: 0.1}',
    'a wrong value': 'parameters: {lr: [0.1, -1]}',
    'a parameter twice': 'parameters: {lr: 0.1, latents: 3, lr: 0.2}',
    'parameters twice': 'parameters: {lr: 0.1}\nseeds: [1]\nparameters: {lr: 0.2}',
}


@pytest.mark.parametrize('case', WRONG)
def test_a_sweep_that_cannot_be_read_ends_with_a_sentence(tmp_path, case, capsys):
    path = tmp_path / 'mine.yaml'
    if WRONG[case] is not None:
        path.write_text(WRONG[case])
    assert main(['sweep', str(path)]) == 1
    stderr = capsys.readouterr().err
    assert stderr.count('\n') == 1 and ('mine.yaml' in stderr or 'arameter' in stderr)


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16'])
def test_a_file_is_read_as_an_editor_has_saved_it(tmp_path, encoding):
    path = tmp_path / 'mine.yaml'
    path.write_text('parameters:\n  dataset: Köpfe\n', encoding)
    [run], _ = grid.from_yaml(path)
    assert run.experiment.dataset == 'Köpfe'


def test_a_file_in_another_encoding_ends_with_a_sentence(tmp_path):
    path = tmp_path / 'mine.yaml'
    path.write_text('parameters:\n  dataset: Köpfe\n', 'latin-1')
    with pytest.raises(CourseError, match='mine.yaml is no sweep'):
        grid.from_yaml(path)


def test_one_name_for_several_runs_is_refused_with_the_runs(tmp_path):
    named = FACE_SIZES | {'run': 'mytest', 'kl_weight': [1.0, 2.0, 4.0]}
    match = 'mytest to several runs .*1.0; kl_weight 2.0.*leave'
    with pytest.raises(CourseError, match=match) as e:
        grid.from_yaml(written(tmp_path, named))
    assert '\n' not in str(e.value)


def test_several_names_or_a_name_for_what_is_one_run_are_kept(tmp_path):
    named = FACE_SIZES | {'run': ['one', 'two'], 'disc_weight': [1.0, 2.0]}  # of no discriminator
    runs, _ = grid.from_yaml(written(tmp_path, named))
    assert [r.experiment.run for r in runs] == ['one', 'two']


every_group = pytest.mark.parametrize('group', catalogue.GROUPS)


def test_every_row_of_the_study_is_in_a_sweep():
    assert set(catalogue.GROUPS) >= set(catalogue.study()['group'])


@every_group
def test_a_group_of_the_catalogue_is_a_sweep(group):
    runs = grid.from_catalogue(group, 'reference')
    rows = catalogue.study()
    folders = {r.experiment.folder for r in runs}
    for row in rows[rows['group'] == group]['folder']:
        assert catalogue.find(row).experiment.folder in folders
    entries = {e.experiment.folder: e for e in catalogue.entries().values()}
    for run in runs:
        entry = entries[run.experiment.folder]
        assert run.experiment == entry.experiment
        control = entry.control and catalogue.find(entry.control).experiment
        assert run.control == control
    assert len({r.label for r in runs}) == len(runs)


@every_group
@pytest.mark.parametrize('scale', ['smoke', 'reference'])
def test_the_runs_of_a_group_and_their_controls_see_the_same_pictures(group, scale):
    runs = grid.from_catalogue(group, scale)
    assert {run.experiment.scale for run in runs} == {scale}
    seen = {of_the_pictures(run.experiment) for run in runs}
    assert len(seen) == (2 if group == 'schedules' else 1)  # of digits and of avatars
    assert all(
        of_the_pictures(r.control) == of_the_pictures(r.experiment) for r in runs if r.control
    )


def of_the_pictures(experiment):
    names = ('dataset', 'num_train', 'num_held_out', 'image_size', 'scale')
    return tuple(getattr(experiment, name) for name in names)


VARIED = {  # a row of the study, then our recipes for it; the plain VAE first
    'disc_weight': [
        '512_32_20_train3200',
        '512_32_20_1_1',
        '512_32_20_10_1',
        '512_32_20_adaptive_1',
        '512_32_20_10_0_disl1',
        '512_32_20_20_1',
        '512_32_20_50_1',
    ],
    'pbp_weight': [
        '512_32_20_train3200',
        '512_32_20_10_1',
        '512_32_20_10_1.2',
        '512_32_20_10_1.2_kl1.2',
        '512_32_20_10_0.8',
        '512_32_20_10_0.8_kl0.8',
        '512_32_20_10_0.5',
        '512_32_20_10_0.5_kl0.5',
        '512_32_20_10_1_decay0.95',
        '512_32_20_10_1_decay0.9',
    ],
    'solo_combo': [
        '512_32_20_train3200',
        '512_32_20_10_1',
        '512_32_5+15_10_1',
        '512_32_5+15_50_1',
        '512_32_10+10_10_1',
        '512_32_10+10_10_1_warmup2_ramp2',
        '512_32_10+10_50_1',
        '512_32_15+5_10_1',
        '512_32_15+5_50_1',
    ],
}


@pytest.mark.parametrize('group', VARIED)
def test_the_sweeps_of_weights_and_of_timing_hold_their_rows_each_before_our_recipes(group):
    assert [run.label for run in grid.from_catalogue(group, 'reference')] == VARIED[group]


@pytest.mark.parametrize('group', VARIED)
def test_the_control_of_weights_and_of_timing_is_scored_once(group, runs):
    tasks = list(sweep.tasks(grid.from_catalogue(group, 'smoke'), [0]).values())
    assert len(tasks) == len(VARIED[group]) and all(task.scored for task in tasks)
    assert tasks[0].experiment.discriminator is None


def test_the_12_runs_of_weights_and_of_timing_are_run_once_over_all_their_sweeps():
    runs = [run for group in VARIED for run in grid.from_catalogue(group, 'reference')]
    rows = catalogue.study()
    rows = set(rows[rows['group'].isin(VARIED)]['folder'])
    assert len(rows) == 12
    assert {run.study_row for run in runs if run.control} == rows
    assert len({run.experiment.folder for run in runs}) == 12 + 10


@every_group
def test_the_command_runs_a_group_by_its_name(group, monkeypatch):
    asked = []
    monkeypatch.setattr(sweep, 'run_sweep', lambda *arguments: asked.append(arguments))
    main(['sweep', group])
    main(['sweep', group, '--scale', 'reference', '--seeds', '3', '5'])
    assert asked == [
        (group, grid.from_catalogue(group, 'smoke'), [0], None),
        (group, grid.from_catalogue(group, 'reference'), [3, 5], None),
    ]


def test_a_group_that_is_not_there_ends_with_a_sentence_that_names_those_that_are(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(['sweep', 'weights']) == 1
    stderr = capsys.readouterr().err
    assert stderr.startswith('weights is no sweep') and stderr.count('\n') == 1
    assert f'{", ".join(catalogue.GROUPS)}, or a YAML file' in stderr


def test_the_list_of_runs_that_the_help_points_to_names_every_group(capsys):
    with pytest.raises(SystemExit):
        main(['sweep', '--help'])
    assert 'as `python -m d2lvae` lists them' in ' '.join(capsys.readouterr().out.split())
    main([])
    assert set(catalogue.GROUPS) <= set(re.split(r'[\s,]+', capsys.readouterr().out))


def test_controls_come_first_and_once():
    control = solo()
    runs = [grid.Run(str(w), combo(disc_weight=w), control) for w in (1.0, 2.0)]
    tasks = list(sweep.tasks(runs, [0, 1]).values())
    assert [(t.experiment.folder, t.seed, t.scored) for t in tasks] == [
        (control.folder, 0, False),
        (control.folder, 1, False),
        *((run.experiment.folder, seed, True) for run in runs for seed in (0, 1)),
    ]


def test_a_control_that_is_a_run_itself_is_scored():
    control = solo()
    runs = [grid.Run('alone', control), grid.Run('combo', combo(), control)]
    tasks = list(sweep.tasks(runs, [0]).values())
    assert [(t.experiment.folder, t.scored) for t in tasks] == [
        (control.folder, True),
        (combo().folder, True),
    ]


# One seed in a process of its own


def task(experiment, scored=False):
    return sweep.Task(experiment, 0, None, scored).plain()


def test_a_seed_that_fails_says_why(runs):
    experiment = solo(run='mine')
    experiment.work.mkdir(parents=True)
    (experiment.work / 'parameters.yaml').write_text('lr: 0.5')
    assert one_seed.run_in_process(task(experiment)).endswith('or give the run another name.')


def test_a_full_disk_is_said(runs):
    with full_disk(1000):
        assert one_seed.run_in_process(task(solo())).startswith('The disk is full')


def test_a_killed_process_is_said(runs):
    killer = threading.Thread(target=kill_child_of, args=(os.getpid(), runs))
    killer.start()
    said = one_seed.run_in_process(task(solo(num_epochs=500)))
    killer.join()
    assert said.startswith('it was killed by signal 9')


def kill_child_of(pid, runs):
    wait_until(lambda: list(runs.rglob('epochs.csv')))
    for child in psutil.Process(pid).children():
        if 'one_seed' in ' '.join(child.cmdline()):
            child.kill()


def wait_until(there, seconds=300):
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_process_that_ends_without_a_word_is_told(runs, monkeypatch):
    monkeypatch.setattr('sys.executable', shutil.which('false'))
    assert one_seed.run_in_process(task(solo())) == 'it ended with exit code 1'


def test_an_error_of_several_lines_is_told_whole(runs):
    broken = task(solo()) | {'experiment': {'a name\nof two lines': 1}}
    said = one_seed.run_in_process(broken)
    assert said.startswith('Unknown parameter a name of two lines: this course knows dataset')
    unforeseen = {name: value for name, value in task(solo()).items() if name != 'scored'}
    assert one_seed.run_in_process(unforeseen) == "KeyError: 'scored'"


def test_a_worker_that_does_not_see_what_is_shared_trains_nothing(runs, tmp_path):
    apart = task(solo()) | {'shared': [str(tmp_path), str(tmp_path / 'nowhere')]}
    said = one_seed.run_in_process(apart)
    assert f'on {socket.gethostname()} does not see {tmp_path / "nowhere"} as the' in said
    assert not runs.exists()


def test_what_failed_for_the_control_fails_for_the_run(runs):
    said = one_seed.run_in_process(task(combo()), 'no room')
    assert said == 'its control failed (no room)' and not runs.exists()


# A cluster


@pytest.fixture(scope='module')
def cluster():
    with LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster


def outcome(folder):
    """What a sweep has found, by file: weights, metrics, statistics, but no seconds."""
    kinds = '.safetensors', 'metrics.json', 'parameters.yaml', 'epochs.csv', 'statistics.csv'
    found = [p for p in folder.rglob('*') if p.name.endswith(kinds)]
    return {
        str(p.relative_to(folder)): without_seconds(p) if p.suffix == '.csv' else p.read_bytes()
        for p in found
    }


def swept(folder, runs, monkeypatch, scheduler, seeds=(0, 1)):
    monkeypatch.setattr(paths, 'RUNS', folder)
    return sweep.run_sweep('mine', runs, seeds, scheduler)


def kill_worker_of(checkpoint, killed):
    """Kill -9 the worker whose seed writes this checkpoint, when it has some epochs behind it."""
    wait_until(lambda: checkpoint.exists())
    seed = f'"seed": {checkpoint.parents[1].name.removeprefix("seed_")}'
    for process in psutil.process_iter(['cmdline']):
        line = ' '.join(process.info['cmdline'] or [])
        if 'd2lvae.runs.one_seed' in line and seed in line and str(paths.RUNS) in line:
            process.parent().kill()
            killed.append(process)


def test_a_sweep_whose_worker_is_killed_ends_with_the_same_bytes(tmp_path, monkeypatch, cluster):
    long, control = combo(num_epochs=24), solo(num_epochs=2)
    monkeypatch.setattr(paths, 'RUNS', tmp_path / 'undisturbed')
    results.run(long, [0, 1], control)
    monkeypatch.setattr(paths, 'RUNS', tmp_path / 'disturbed')
    checkpoint, killed = long.work / 'seed_0' / 'checkpoint' / 'epochs.csv', []
    killer = threading.Thread(target=kill_worker_of, args=(checkpoint, killed))
    killer.start()
    runs = [grid.Run('mine', long, control)]
    folder = swept(tmp_path / 'disturbed', runs, monkeypatch, cluster.scheduler_address)
    killer.join()
    assert len(killed) == 1 and not killed[0].is_running()
    found, expected = outcome(tmp_path / 'disturbed'), outcome(tmp_path / 'undisturbed')
    assert found.keys() == expected.keys() and len(found) > 10
    assert [name for name in found if found[name] != expected[name]] == []
    assert results.load_summary(long.published)['seeds'] == [0, 1]
    assert '| mine | 2 |' in (folder / 'table.md').read_text()
    assert (folder / 'plane.png').read_bytes().startswith(b'\x89PNG')


def test_finished_seeds_are_not_run_again(tmp_path, monkeypatch, cluster, capsys):
    runs = [grid.Run('alone', solo(num_epochs=1))]
    swept(tmp_path, runs, monkeypatch, cluster.scheduler_address, [0])
    monkeypatch.setattr(sweep, 'connected', None)  # nobody is asked
    before = outcome(tmp_path)
    folder = swept(tmp_path, runs, monkeypatch, None, [0])
    assert outcome(tmp_path) == before and (folder / 'table.md').exists()


def test_a_run_that_fails_is_told_at_the_end_and_stops_nothing_else(tmp_path, monkeypatch, cluster):
    broken = solo(num_epochs=1, lr=1.0, run='broken')
    monkeypatch.setattr(paths, 'RUNS', tmp_path)
    broken.work.mkdir(parents=True)
    (broken.work / 'parameters.yaml').write_text('lr: 0.5')
    runs = [grid.Run('broken', broken), grid.Run('whole', solo(num_epochs=1))]
    with pytest.raises(CourseError, match='^Failed: .*broken, seed 0: .* was begun with') as e:
        swept(tmp_path, runs, monkeypatch, cluster.scheduler_address, [0])
    assert '\n' not in str(e.value) and str(e.value).count('seed 0') == 1
    assert '..' not in str(e.value)
    assert results.load_summary(runs[1].experiment.published)['seeds'] == [0]
    assert not broken.published.exists()


def test_a_run_whose_control_fails_is_told_too(tmp_path, monkeypatch, cluster):
    control = solo(num_epochs=1, run='broken')
    monkeypatch.setattr(paths, 'RUNS', tmp_path)
    control.work.mkdir(parents=True)
    (control.work / 'parameters.yaml').write_text('lr: 0.5')
    runs = [grid.Run('mine', combo(num_epochs=2), control)]
    with pytest.raises(CourseError, match='seed 0: its control failed') as e:
        swept(tmp_path, runs, monkeypatch, cluster.scheduler_address, [0])
    assert str(e.value).count('was begun with') == 2


@pytest.mark.parametrize('address', ['tcp://127.0.0.1:1', 'nonsense://host', '127.0.0.1'])
def test_a_scheduler_that_does_not_answer_ends_with_a_sentence(
    runs, address, capsys, tmp_path, monkeypatch
):
    assert sweep.SECONDS_TO_CONNECT < 10
    monkeypatch.setattr(sweep, 'SECONDS_TO_CONNECT', 0.5)
    path = written(tmp_path, FACE_SIZES)
    assert main(['sweep', str(path), '--scheduler', address]) == 1
    stderr = capsys.readouterr().err
    assert f'No Dask scheduler answers at {address}' in stderr and stderr.count('\n') == 1


def test_a_scheduler_without_workers_ends_with_a_sentence_and_says_what_it_waits_for(
    runs, monkeypatch, capsys
):
    assert sweep.SECONDS_TO_CONNECT + sweep.SECONDS_WITHOUT_WORKER < 30
    monkeypatch.setattr(sweep, 'SECONDS_WITHOUT_WORKER', 1)
    with LocalCluster(1, dashboard_address=None) as empty:
        empty.scale(0)
        wait_until(lambda: not empty.scheduler.workers)
        address = empty.scheduler_address
        match = f'at {address} had no worker .*`dask worker {address}'
        with pytest.raises(CourseError, match=match):
            sweep.run_sweep('mine', [grid.Run('alone', solo())], [0], address)
    assert f'Waiting 1 s for a worker: start one with `dask worker {address}' in captured(capsys)
    [folder] = (runs / 'sweeps').iterdir()
    assert list(folder.iterdir()) == []


def captured(capsys):
    return capsys.readouterr().out


def test_a_result_that_stays_on_another_machine_is_a_failure(
    tmp_path, monkeypatch, cluster, capsys
):
    monkeypatch.setattr(sweep, 'SECONDS_TO_APPEAR', 0)
    monkeypatch.setattr(one_seed, 'run_in_process', lambda *_: None)  # written where nobody sees it
    runs = [grid.Run('alone', solo())]
    with pytest.raises(CourseError, match='^Failed: .*, seed 0: .* but its result is not in'):
        swept(tmp_path, runs, monkeypatch, cluster.scheduler_address, [0])
    assert 'failed, a worker has finished it' in captured(capsys)
    assert not runs[0].experiment.published.exists()


def test_a_worker_sees_the_folder_of_the_sweep_and_the_pictures_or_says_so(
    tmp_path, monkeypatch, cluster
):
    monkeypatch.setattr(one_seed, 'run_in_process', seen_of)
    monkeypatch.setattr(sweep, 'missing', lambda task: None)
    runs = [grid.Run('alone', solo())]
    with pytest.raises(CourseError, match=r'seen: \[True\]'):
        swept(tmp_path, runs, monkeypatch, cluster.scheduler_address, [0])


def seen_of(task, _):
    return f'seen: {[os.path.exists(path) for path in task["shared"]]}'


def test_a_package_that_a_worker_lacks_is_named(tmp_path, monkeypatch, cluster):
    def lacking(*_):
        raise ModuleNotFoundError("No module named 'd2lvae'")

    monkeypatch.setattr(one_seed, 'run_in_process', lacking)
    runs = [grid.Run('alone', solo())]
    with pytest.raises(CourseError, match="No module named 'd2lvae'.*in this environment") as e:
        swept(tmp_path, runs, monkeypatch, cluster.scheduler_address, [0])
    assert 'killed' not in str(e.value)


def test_a_scheduler_that_is_lost_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(one_seed, 'run_in_process', lambda *_: time.sleep(600))
    with LocalCluster(1, threads_per_worker=1, dashboard_address=None) as own:
        monkeypatch.setattr(sweep, 'epochs_done', lambda todo: own.close() or 0)
        with pytest.raises(CourseError, match='seed 0: the scheduler was lost'):
            swept(tmp_path, [grid.Run('a', solo())], monkeypatch, own.scheduler_address, [0])


def own_pictures(folder):
    """Parameters of a run on 16 + 4 pictures, which are drawn into a folder of this one."""
    folder.mkdir()
    for i, picture in enumerate(pictures(20, (32, 32, 3))):
        Image.fromarray(picture).save(folder / f'{i}.png')
    sizes = {'num_train': 0, 'num_held_out': 0, 'batch_size': 8, 'num_epochs': 1}
    return FACE_SIZES | sizes | {'dataset': folder.name}


def test_a_relative_folder_of_pictures_is_the_same_one_on_a_worker_that_started_elsewhere(
    tmp_path, monkeypatch, cluster
):
    monkeypatch.chdir(tmp_path)
    runs, _ = grid.from_yaml(written(tmp_path, own_pictures(tmp_path / 'x1')))
    assert runs[0].experiment.data().train_images.shape[0] == 16
    folder = swept(tmp_path / 'runs', runs, monkeypatch, cluster.scheduler_address, [0])
    assert '| mine | 1 |' in (folder / 'table.md').read_text()


def test_a_run_that_cannot_be_published_stops_nothing_else(tmp_path, monkeypatch, cluster):
    runs = [grid.Run(str(lr), solo(num_epochs=1, lr=lr)) for lr in (1e-3, 1e-4)]
    monkeypatch.setattr(paths, 'RUNS', tmp_path)
    runs[0].experiment.published.parent.mkdir(parents=True)
    runs[0].experiment.published.write_text('in the way')
    with pytest.raises(CourseError, match='^Failed: [^;]*: .*in the way[^;]*The same command'):
        swept(tmp_path, runs, monkeypatch, cluster.scheduler_address, [0])
    assert results.load_summary(runs[1].experiment.published)['seeds'] == [0]


def test_every_kind_of_pictures_of_a_sweep_is_looked_at_before_anything_is_run(
    runs, tmp_path, monkeypatch
):
    monkeypatch.setattr(sweep, 'connected', None)
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, own_pictures(tmp_path / 'x1') | {'num_train': [16, 17]})
    assert main(['sweep', str(path)]) == 1


def test_sweeps_of_one_name_over_other_runs_have_folders_of_their_own(tmp_path):
    files = [{'latents': [2, 3]}, {'latents': [3, 2]}, {'latents': [2, 4]}]
    grids = [grid.from_yaml(written(tmp_path, FACE_SIZES | lists))[0] for lists in files]
    grids += [grid.from_catalogue('digits_dose', scale) for scale in ('smoke', 'reference')]
    first, same, other, smoke, reference = (sweep.folder_of('mine', runs) for runs in grids)
    assert first == same and first.name.startswith('mine-')
    assert len({first, other, smoke, reference}) == 4


def test_a_name_that_another_sweep_has_given_to_other_parameters_is_refused(
    runs, tmp_path, capsys, monkeypatch
):
    named = FACE_SIZES | {'num_epochs': 1, 'run': 'mytest'}
    [first], _ = grid.from_yaml(written(tmp_path, named))
    results.run(first.experiment)
    monkeypatch.setattr(sweep, 'connected', None)
    before = outcome(runs)
    assert main(['sweep', str(written(tmp_path, named | {'kl_weight': 2.0}))]) == 1
    assert 'mytest was begun with other parameters' in capsys.readouterr().err
    assert outcome(runs) == before


def test_dollar_signs_and_bars_of_names_are_drawn_and_written(tmp_path):
    columns = {name for kind in tables.COLUMNS.values() for name, _ in kind.values()}
    summary = {
        'run': 'ConvVAE_on_x/a',
        'seeds': [0],
        'metrics': {name: mean_ci95([0.5]) for name in columns},
    }
    named = {label: summary for label in ('ba$$in', 'a$b, c$d', r'$\x_$', 'a|b')}
    sweep.write_down(tmp_path, named)
    assert (tmp_path / 'plane.png').read_bytes().startswith(b'\x89PNG')
    rows = (tmp_path / 'table.md').read_text().splitlines()[2:]
    labels = [row.split(' | ')[0] for row in rows]
    assert labels == ['| ba$$in', '| a$b, c$d', r'| $\x_$', r'| a\|b']


def test_missing_pictures_are_told_once_and_before_anything_is_run(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, 'connected', None)
    path = written(tmp_path, FACE_SIZES | {'dataset': str(tmp_path / 'nowhere')}, seeds=[0, 1])
    assert main(['sweep', str(path)]) == 1


def test_without_an_address_this_machines_cores_are_used(runs, tmp_path, capsys):
    small = {**FACE_SIZES, 'num_epochs': 1}
    assert main(['sweep', str(written(tmp_path, small))]) is None
    stdout = captured(capsys)
    assert stdout.startswith('1 seeds to run\nDashboard: ') and ', seed 0: done; 0 to go' in stdout
    assert results.load_summary(Experiment(**small).published)['seeds'] == [0]
