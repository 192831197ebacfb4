"""Many experiments, several seeds each, side by side on a Dask cluster: this machine's or another.

Each seed is a process of its own (`one_seed`), and what it finds goes through the folders alone: a
cluster of several machines needs this repository and the folder of runs on all of them.
"""

import contextlib
import itertools
import logging
import os
import time
from typing import Annotated, Any, NamedTuple

import pydantic
import yaml
from dask.distributed import Client, LocalCluster
from tqdm import tqdm

from d2lvae import plots
from d2lvae.base import files, paths
from d2lvae.base.errors import CourseError
from d2lvae.runs import catalogue, one_seed, results, scores, tables
from d2lvae.runs.experiment import Experiment

SECONDS_TO_CONNECT = 8


class Run(NamedTuple):
    """An experiment of a sweep, its noise control, and the row of the study it stands for."""

    label: str
    experiment: Experiment
    control: Experiment | None = None
    study_row: str | None = None


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
        return {
            'experiment': self.experiment.model_dump(),
            'seed': self.seed,
            'control': self.control and self.control.model_dump(),
            'scored': self.scored,
            'own': self.experiment.own(),
            'runs': str(paths.RUNS),
        }

    def finished(self):
        if self.scored:
            return scores.stored_metrics(self.experiment, self.seed, self.control) is not None
        return self.experiment.statistics(self.seed) is not None


# What is to be run


class SweepFile(pydantic.BaseModel):
    """`parameters` by name, where a list is tried value by value, and `seeds`."""

    model_config = pydantic.ConfigDict(strict=True, extra='forbid')

    parameters: Annotated[dict[str, Any], pydantic.Field(min_length=1)]
    seeds: Annotated[list[Annotated[int, pydantic.Field(ge=0)]], pydantic.Field(min_length=1)] = [0]


def from_catalogue(group, scale):
    """The runs of a group of the study's rows, with our own recipes for them."""
    runs = []
    for entry in catalogue.group(group):
        control = entry.control and catalogue.find(entry.control).at(scale)
        runs.append(Run(entry.experiment.run, entry.at(scale), control, entry.study_row))
    return runs


def from_yaml(path):
    """(runs, seeds) of a `SweepFile`: every combination of its lists, each run once.

    The control of a run is its VAE alone. Raises CourseError if the file cannot be read, or names
    no run.
    """
    content = read(path)
    lists = {k: v if isinstance(v, list) else [v] for k, v in content.parameters.items()}
    varied = [name for name, values in lists.items() if len(values) > 1]
    runs = {}
    for values in itertools.product(*lists.values()):
        parameters = dict(zip(lists, values))
        experiment = Experiment(**parameters)
        label = ', '.join(f'{name} {parameters[name]}' for name in varied) or path.stem
        control = experiment.matched_plain() if experiment.with_disc else None
        runs.setdefault(experiment.folder, Run(label, experiment, control))
    if not runs:
        raise CourseError(f'{path} names no run: a list of its parameters is empty.')
    return list(runs.values()), content.seeds


def read(path):
    try:
        return SweepFile(**yaml.safe_load(path.read_text()))
    except pydantic.ValidationError as e:
        error = e.errors()[0]
        place = '.'.join(map(str, error['loc']))
        reason = f'{place}: {error["msg"]}'
    except (OSError, UnicodeDecodeError, TypeError, yaml.YAMLError) as e:
        reason = ' '.join(str(e).split())
    raise CourseError(
        f'{path} is no sweep ({reason}): give {", ".join(catalogue.GROUPS)}, or a YAML file of '
        'parameters, in which lists are tried value by value, and seeds.'
    )


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
        once if the pictures are not there, or no Dask scheduler answers at the address `scheduler`.
    """
    for run in {run.experiment.dataset: run for run in runs}.values():
        run.experiment.data()
    todo = tasks(runs, seeds)
    waiting, failures, summaries = set(todo), {}, {}
    publish_finished(runs, waiting, summaries)
    if todo:
        with connected(scheduler, len(todo)) as client:
            print(f'{len(todo)} seeds to run; dashboard: {client.dashboard_link}', flush=True)
            for name_of_task, failure in followed(submit(client, todo), todo):
                waiting.remove(name_of_task)
                if failure:
                    failures[name_of_task] = failure
                publish_finished(runs, waiting, summaries)
    folder = paths.RUNS / 'sweeps' / name
    write_down(folder, {run.label: summaries[run.label] for run in runs if run.label in summaries})
    if failures:
        told = '; '.join(f'{name_of_task}: {reason}' for name_of_task, reason in failures.items())
        raise CourseError(f'Failed: {told}. The same command tries these again, and only these.')
    return folder


@contextlib.contextmanager
def connected(scheduler, num_tasks):
    """A client of the Dask scheduler at an address, or of one with this machine's cores."""
    logging.getLogger('distributed').setLevel(logging.ERROR)  # each seed's failure is told once
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


def submit(client, todo):
    """A future for each task by its name; it gives what went wrong in a sentence, or None."""
    futures = {}
    for name, task in todo.items():
        control = task.control and futures.get(Task(task.control, task.seed, None, False).name)
        futures[name] = client.submit(one_seed.run_in_process, task.plain(), control, key=name)
    return futures


def followed(futures, todo):
    """(name, failure or None) of each task as it ends; meanwhile the progress in epochs."""
    total = sum(task.experiment.num_epochs for task in todo.values())
    with tqdm(total=total, unit='epoch', disable=None, initial=epochs_done(todo)) as progress:
        while futures:
            for name in [name for name, future in futures.items() if future.done()]:
                yield name, failure(futures.pop(name))
            progress.set_postfix(seeds=len(futures))
            progress.update(max(0, epochs_done(todo) - progress.n))
            time.sleep(1 if futures else 0)


def epochs_done(todo):
    done = 0
    for task in todo.values():
        with contextlib.suppress(FileNotFoundError):  # of a checkpoint that is being replaced
            done += len(task.experiment.rows(task.seed))
    return done


def failure(future):
    if future.status == 'finished':
        return future.result()
    if future.status == 'error':
        return 'its workers were killed one after the other: is there too little memory?'
    return 'the scheduler was lost.'


# Writing down


def publish_finished(runs, waiting, summaries):
    """Publish every run that has no task left; add its summary by its label."""
    for run in runs:
        left = [name for name in waiting if name.startswith(f'{run.experiment.folder}, seed ')]
        if (
            run.label not in summaries
            and not left
            and scores.finished_seeds(run.experiment, run.control)
        ):
            data = run.experiment.data()
            summaries[run.label] = results.publish(run.experiment, data, run.control, run.study_row)


def write_down(folder, summaries):
    """The table of a sweep, and its plane of fidelity and sharpness; the table is printed too."""
    if not summaries:
        return
    columns = tables.COLUMNS[tables.kind_of(next(iter(summaries.values()))['run'])]
    rows = [
        [label, len(s['seeds']), *(tables.number(s['metrics'], *c) for c in columns.values())]
        for label, s in summaries.items()
    ]
    table = tables.markdown_table(['run', 'seeds', *columns], rows)
    files.write_whole(folder / 'table.md', f'{table}\n'.encode())
    points = {
        label: [s['metrics'][name] for name in ('psnr', 'sharpness_ratio')]
        for label, s in summaries.items()
    }
    plots.trade_off({'PSNR in dB': points}, path=folder / 'plane.png')
    print(table)
