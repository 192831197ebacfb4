"""The command line: `python -m d2lvae --help`."""

import argparse
import os
import sys
from pathlib import Path

from d2lvae.base.errors import CourseError


def list_runs(_):
    """List every run of the catalogue: its chapters, its groups, and its state."""
    from d2lvae.runs import catalogue

    entries = catalogue.entries().values()
    rows = [(', '.join(e.chapters), ', '.join(e.groups), e.folder, e.state) for e in entries]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print('  '.join(f'{cell:{width}}' for cell, width in zip(row, widths)).rstrip())


def fetch_data(_):
    """Fetch and check the digits of MNIST, and draw the avatars that chapter 03 begins with."""
    from d2lvae.data import MNIST, AvatarFaces

    print(f'MNIST is there and whole (source: {MNIST().source}).')
    for avatars in (AvatarFaces(), AvatarFaces(2400, 400, size=32)):  # of the tests, of chapter 03
        num = len(avatars.train_images) + len(avatars.held_out_images)
        print(f'{num} avatars are there ({avatars.source}).')


def run_experiment(arguments):
    """Train, score and write down a run of the catalogue, or go on with it."""
    from d2lvae.runs import catalogue, results

    entry = catalogue.find(arguments.run)
    control = entry.control and catalogue.find(entry.control).at(arguments.scale)
    experiment = entry.at(arguments.scale)
    summary = results.run(experiment, arguments.seeds, control, entry.study_row)
    print_metrics({name: m['mean'] for name, m in summary['metrics'].items()})
    print(f'Written to {experiment.published}')


def run_sweep(arguments):
    """Run a grid of parameters and seeds side by side, on this machine or on a Dask cluster."""
    from d2lvae.runs import catalogue, grid, sweep

    name = arguments.sweep
    if name in catalogue.GROUPS:
        runs, seeds = grid.from_catalogue(name, arguments.scale), [0]
    else:
        runs, seeds = grid.from_yaml(Path(name))
    seeds = arguments.seeds or seeds
    folder = sweep.run_sweep(Path(name).stem, runs, seeds, arguments.scheduler)
    print(f'Written to {folder}')


def evaluate_run(arguments):
    """Score a finished local run on other pictures."""
    from d2lvae.data import data_class
    from d2lvae.runs import catalogue, scores

    experiment = catalogue.find(arguments.run).at(arguments.scale)
    read_own = data_class(experiment.dataset).read_own
    images, labels = read_own(arguments.data, experiment.image_size)
    print_metrics(scores.evaluate(experiment, arguments.seed, images, labels))


def print_metrics(metrics):
    width = max(map(len, metrics))
    for name, value in metrics.items():
        print(f'{name:{width}}  {value:.4f}')


def export_start(arguments):
    """Write what a run of the port to PyTorch starts with, which calls this itself."""
    from d2lvae.runs import ported

    sizes = {name: getattr(arguments, name) for name in ported.SIZES}
    experiment = ported.resized(ported.read(arguments.parameters), **sizes)
    ported.export(experiment, arguments.seeds, arguments.to)


def score_port(arguments):
    """Score a run of the port to PyTorch on the held-out pictures, and write it down."""
    from d2lvae.runs import ported

    experiment, summary = ported.score(arguments.folder, arguments.control, arguments.scale)
    print_metrics({name: m['mean'] for name, m in summary['metrics'].items()})
    print(f'Written to {experiment.published}')


def write_tables(_):
    """Write the gallery, the claims, and the README's numbers from the results folder."""
    from d2lvae.runs import readme, tables

    written = *tables.write_tables(), *readme.write()
    print(*(f'Written: {path}' for path in written), sep='\n')


def keep_decoder(_):
    """Keep the decoder of our plain recipe, trained here, for chapter 01."""
    from d2lvae.frozen import decoder
    from d2lvae.runs import catalogue

    experiment = catalogue.find(decoder.EXPLORED).experiment
    decoder.keep_mnist_decoder(experiment, 0, experiment.data())
    print(f'Written: {decoder.MNIST_DECODER}')


def execute_course(_):
    """Execute every chapter and write the report."""
    from d2lvae.runs.course import run_course

    return run_course()


def parser():
    top = argparse.ArgumentParser(
        prog='python -m d2lvae',
        description='Without a command: list every run of the catalogue with its state.',
    )
    top.set_defaults(do=list_runs)
    commands = top.add_subparsers(metavar='COMMAND')

    def add(name, do):
        command = commands.add_parser(name, help=do.__doc__.rstrip('.'), description=do.__doc__)
        command.set_defaults(do=do)
        return command

    add('list', list_runs)
    add('data', fetch_data)
    run = add('run', run_experiment)
    run.add_argument('--seeds', type=int, nargs='+', default=[0], metavar='SEED')
    sweep = add('sweep', run_sweep)
    sweep.add_argument(
        'sweep',
        metavar='SWEEP',
        help='a group of the catalogue, as `python -m d2lvae` lists them, or a YAML file of '
        'parameters and seeds',
    )
    sweep.add_argument('--seeds', type=int, nargs='+', metavar='SEED')
    sweep.add_argument(
        '--scheduler',
        metavar='ADDRESS',
        help='of a Dask scheduler, tcp://host:8786 (default: one with the cores of this machine)',
    )
    evaluate = add('evaluate', evaluate_run)
    evaluate.add_argument(
        '--data',
        required=True,
        metavar='PATH',
        help='a folder or a zip of pictures, or an idx file of digits',
    )
    evaluate.add_argument('--seed', type=int, default=0)
    for command in (run, evaluate):
        command.add_argument('run', metavar='RUN', help='folder of the run, or its last part')
    for command in (run, evaluate, sweep):
        command.add_argument(
            '--scale',
            choices=('smoke', 'reference'),
            default='smoke',
            help='smoke: seconds; reference: the full size (default: smoke)',
        )
    export = add('export', export_start)
    export.add_argument('parameters', type=Path, metavar='PARAMETERS', help='parameters.yaml')
    export.add_argument('--to', type=Path, required=True, metavar='FILE', help='an npz')
    export.add_argument('--seeds', type=int, nargs='+', default=[0], metavar='SEED')
    for name in ('epochs', 'faces', 'held-out', 'resnet-base'):
        export.add_argument(f'--{name}', type=int, metavar='N')
    score = add('score', score_port)
    score.add_argument('folder', type=Path, metavar='DIR', help='its --out')
    score.add_argument(
        '--control', type=Path, metavar='DIR', help='of its plain run, for the noise control'
    )
    score.add_argument(
        '--scale',
        choices=('smoke', 'study'),
        default='study',
        help='study: written to results/; smoke: a trial, to runs/results/ (default: study)',
    )
    add('tables', write_tables)
    add('decoder', keep_decoder)
    add('course', execute_course)
    return top


def main(arguments=None):
    """Run a command; an error that is written for people ends as one line and exit code 1."""
    arguments = parser().parse_args(arguments)
    try:
        code = arguments.do(arguments)
        if sys.stdout:  # which `>&-` closes
            sys.stdout.flush()
        return code
    except BrokenPipeError:  # `| head` has read enough; Python would complain again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # as the shell reports every other command that SIGPIPE ends
    except CourseError as e:
        print(e, file=sys.stderr)
        return 1
    except PermissionError as e:
        print(f'{e.filename} may not be used ({e.strerror}): allow it.', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            'Stopped: start the same command again to go on after the last finished epoch.',
            file=sys.stderr,
        )
        return 130


if __name__ == '__main__':
    os.environ['MPLBACKEND'] = 'agg'  # whatever a user has set: no command opens a window
    if sys.stdout:
        sys.stdout.reconfigure(errors='replace')  # arrows in a terminal that has none
    sys.exit(main())
