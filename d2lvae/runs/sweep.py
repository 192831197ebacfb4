"""Many experiments, several seeds each, side by side on a Dask cluster: this machine's or another.

Each seed is a process of its own (`one_seed`), and what it finds goes through the folders alone: a
cluster of several machines needs this repository and the folder of runs on all of them.
"""

import contextlib
import hashlib
import logging
import os
import time
import uuid
from pathlib import Path
from typing import NamedTuple

from dask.distributed import Client, KilledWorker, LocalCluster
from tqdm import tqdm

from d2lvae import plots
from d2lvae.base import files, paths
from d2lvae.base.errors import CourseError, one_line
from d2lvae.data import DATASETS
from d2lvae.runs import one_seed, results, scores, tables
from d2lvae.runs.experiment import Experiment

SECONDS_TO_CONNECT = 8
SECONDS_WITHOUT_WORKER = 20  # a worker that was killed is back in a few
SECONDS_TO_APPEAR = 60  # of a file on another machine: NFS looks again after at most so many


class Task(NamedTuple):
    """One seed to train, and to score if it is not only a control."""

    experiment: Experiment
    seed: int
    control: Experiment | None
    scored: bool

    @property
    def name(self):
        return f'{self.experiment.folder}, seed {self.seed}'

    def plain(self):
        """The task as `one_seed` wants it."""
        data = self.experiment.dataset
        return {
            'experiment': self.experiment.model_dump(),
            'seed': self.seed,
            'control': self.control and self.control.model_dump(),
            'scored': self.scored,
            'own': self.experiment.own(),
            'runs': str(paths.RUNS),
            'cwd': os.getcwd(),
            'shared': [] if data in DATASETS else [str(Path(data).expanduser().absolute())],
        }

    def finished(self):
        if self.scored:
            return scores.stored_metrics(self.experiment, self.seed, self.control) is not None
        return self.experiment.statistics(self.seed) is not None


def tasks(runs, seeds):
    """What is still to be done for some runs, by name; the controls first."""
    controls = [Task(r.control, s, None, False) for r in runs if r.control for s in seeds]
    scored = [Task(r.experiment, s, r.control, True) for r in runs for s in seeds]
    by_name = {task.name: task for task in [*controls, *scored]}
    return {name: task for name, task in by_name.items() if not task.finished()}


# Running


def run_sweep(name, runs, seeds, scheduler=None):
    """Run all seeds of all runs that are not finished, and write down what they found.

    A run is published as soon as its last seed is scored; one table and one figure of all of them
    end it. Returns the folder that holds these.

    Raises
    ------
    CourseError
        At the end, with the seeds that failed and why; the others are finished all the same. At
        once if the pictures are not there, no Dask scheduler answers at the address `scheduler`, or
        it has no worker for a while.
    """
    for experiment in {pictures_of(run.experiment): run.experiment for run in runs}.values():
        experiment.data()
    folder, todo = folder_of(name, runs), tasks(runs, seeds)
    waiting, failures, summaries = set(todo), {}, {}
    publish_finished(runs, waiting, summaries, failures)
    print(f'{len(todo)} seeds to run' if todo else 'All seeds are finished.', flush=True)
    if todo:
        with connected(scheduler, len(todo)) as client, seen_by_workers(folder) as token:
            print(f'Dashboard: {client.dashboard_link}', flush=True)
            for name_of_task, failure in followed(client, submit(client, todo, token), todo):
                waiting.remove(name_of_task)
                if failure:
                    failures[name_of_task] = failure
                publish_finished(runs, waiting, summaries, failures)
    write_down(folder, {run.label: summaries[run.label] for run in runs if run.label in summaries})
    if failures:
        told = '; '.join(f'{task}: {reason.rstrip(".")}' for task, reason in failures.items())
        raise CourseError(f'Failed: {told}. The same command tries these again, and only these.')
    return folder


def folder_of(name, runs):
    """Where the table and the figure go: sweeps of one name over other runs are kept apart."""
    names = sorted(f'{run.experiment.scale} {run.experiment.folder}\n' for run in runs)
    digest = hashlib.sha256(''.join(names).encode(errors='surrogateescape')).hexdigest()
    return paths.RUNS / 'sweeps' / f'{name}-{digest[:8]}'


def pictures_of(experiment):
    """What decides which pictures an experiment sees, and whether there are enough of them."""
    names = 'dataset', 'num_train', 'num_held_out', 'image_size', 'batch_size'
    return tuple(getattr(experiment, name) for name in names)


@contextlib.contextmanager
def connected(scheduler, num_tasks):
    """A client of the Dask scheduler at an address, or of one with this machine's cores."""
    for name in ('distributed', 'tornado'):  # each seed's failure is told once
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if scheduler is None:
        num_workers = min(num_tasks, len(os.sched_getaffinity(0)))
        with (
            LocalCluster(num_workers, threads_per_worker=1, silence_logs=logging.ERROR) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    try:
        client = Client(scheduler, timeout=SECONDS_TO_CONNECT)
    except (OSError, ValueError) as e:
        raise CourseError(
            f'No Dask scheduler answers at {scheduler}: start one there with `dask scheduler`, or '
            'leave --scheduler out to use this machine.'
        ) from e
    with client:
        yield client


@contextlib.contextmanager
def seen_by_workers(folder):
    """A file that every worker must see, or what it finds would be lost on another machine."""
    token = folder / f'.{uuid.uuid4().hex}'
    files.write_whole(token, b'')
    try:
        yield token
    finally:
        token.unlink(missing_ok=True)


def submit(client, todo, token):
    """A future for each task by its name; it gives what went wrong in a sentence, or None."""
    futures = {}
    for name, task in todo.items():
        plain = task.plain()
        plain['shared'].insert(0, str(token))
        control = task.control and futures.get(Task(task.control, task.seed, None, False).name)
        # On a scheduler of many, runs of one name are told apart by where they go.
        key = f'{name}, in {paths.RUNS}'
        futures[name] = client.submit(one_seed.run_in_process, plain, control, key=key)
    return futures


def followed(client, futures, todo):
    """(name, failure or None) of each task as it ends; meanwhile the progress in epochs.

    Raises CourseError if there was no worker for a while.
    """
    total = sum(task.experiment.num_epochs for task in todo.values())
    address, with_worker, told = client.scheduler.address, time.monotonic(), False
    with tqdm(total=total, unit='epoch', disable=None, initial=epochs_done(todo)) as progress:
        while futures:
            for name in [name for name, future in futures.items() if future.done()]:
                why = failure(futures.pop(name), todo[name])
                say(f'{name}: {f"failed, {why}" if why else "done"}; {len(futures)} to go')
                yield name, why
            progress.update(max(0, epochs_done(todo) - progress.n))
            if not futures:
                return
            threads = sum(threads_of_workers(client).values())
            if threads:
                with_worker, told = time.monotonic(), False
                progress.set_description(f'{min(threads, len(futures))} of {len(futures)} seeds')
            else:
                progress.set_description('waiting for a worker')
                wait_for_worker(address, time.monotonic() - with_worker, told)
                told = True
            time.sleep(1)


def say(text):
    """Print a line above the bar of the progress, which a terminal alone has."""
    with tqdm.external_write_mode():
        print(text, flush=True)


def threads_of_workers(client):
    """How many seeds each worker can train at once, by its address; {} if the scheduler is gone."""
    try:
        return client.nthreads() if client.status == 'running' else {}
    except OSError:
        return {}


def wait_for_worker(address, seconds, told):
    """Say what is waited for if nobody has; CourseError if it did not come in so many `seconds`."""
    how = f'`dask worker {address} --nthreads 1`, in this environment'
    if not told:
        say(f'Waiting {SECONDS_WITHOUT_WORKER} s for a worker: start one with {how}.')
    if told and seconds > SECONDS_WITHOUT_WORKER:
        raise CourseError(
            f'The scheduler at {address} had no worker for {SECONDS_WITHOUT_WORKER} s: start some '
            f'with {how}, and repeat the command, which goes on from the last finished epochs.'
        )


def epochs_done(todo):
    return sum(len(task.experiment.rows(task.seed)) for task in todo.values())


def failure(future, task):
    """What went wrong with a task that has ended, or None."""
    if future.status == 'finished':
        said = future.result()
        return said.removeprefix(f'{task.name}, ') if said else missing(task)
    if future.status != 'error':
        return 'the scheduler was lost'
    error = future.exception()
    if isinstance(error, KilledWorker):
        return 'its workers were killed one after the other: is there too little memory?'
    return (
        f'the cluster could not begin it ({one_line(error)}): start `dask scheduler` and '
        '`dask worker` in this environment, with the same version of the course'
    )


def missing(task):
    """A sentence if this machine does not see what a worker has written, or None."""
    end = time.monotonic() + SECONDS_TO_APPEAR
    while not task.finished():
        if time.monotonic() > end:
            return (
                f'a worker has finished it, but its result is not in {task.experiment.work}: let '
                'all machines share that folder'
            )
        time.sleep(1)


# Writing down


def publish_finished(runs, waiting, summaries, failures):
    """Publish every run that has no task left; add its summary by its label, or its failure."""
    for run in runs:
        folder = run.experiment.folder
        left = [name for name in waiting if name.startswith(f'{folder}, seed ')]
        done = run.label in summaries or folder in failures
        if not done and not left and scores.finished_seeds(run.experiment, run.control):
            try:
                data = run.experiment.data()
                published = results.publish(run.experiment, data, run.control, run.study_row)
                summaries[run.label] = published
            except CourseError as e:
                failures[folder] = str(e)


def write_down(folder, summaries):
    """The table of a sweep, and its plane of fidelity and sharpness; the table is printed too."""
    if not summaries:
        return
    columns = tables.COLUMNS[tables.kind_of(next(iter(summaries.values()))['run'])]
    heads = ['run', 'seeds', *columns]
    table = tables.markdown_table(heads, tables.rows_of(summaries, columns))
    files.write_whole(folder / 'table.md', f'{table}\n'.encode())
    points = {
        label.replace('$', r'\$'): [s['metrics'][name] for name in ('psnr', 'sharpness_ratio')]
        for label, s in summaries.items()
    }
    plots.trade_off({'PSNR in dB': points}, path=folder / 'plane.png')
    print(table)
