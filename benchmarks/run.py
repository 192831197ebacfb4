"""Times this package's training against PyTorch's, in alternation; writes two tables beside itself.

`python run.py PYTHON`, where PYTHON is the interpreter of the environment that has PyTorch.
`table.json` has a row for each training of `cases.py`; `more.json` how ours grows with the sizes,
the study's step, bfloat16, the machine.
"""

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import report
from cases import AUTOCAST, CASES, STEPS, STUDIED, grown, shape
from counts import of_a_step
from mxnet import np
from needs import missing
from tqdm import tqdm

from d2lvae.base import files, paths
from d2lvae.base.errors import CourseError
from d2lvae.base.machine import circumstances
from d2lvae.runs.experiment import Experiment

HERE = Path(__file__).parent
THREADS = len(os.sched_getaffinity(0))
ROUNDS = {'table': 7, 'more': 5, 'growth': 3}
PRODUCT_SIDE = 4096
MXNET_PRODUCTS = ('dot', 'dense')
VARIANTS = ('eager', 'channels_last', 'compile')
TOLERANCE = 0.01  # of the losses of three steps: rounding, which Adam's first steps magnify


# Workers


class Worker:
    """A process that runs an epoch each time it is asked, and waits in between."""

    def __init__(self, name, command):
        self.name, self.errors = name, tempfile.TemporaryFile('w+')
        self.process = subprocess.Popen(
            command,
            cwd=HERE,
            env=os.environ | threads(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, error, *_):
        if error:
            self.process.kill()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()

    def read(self):
        """The next thing that it says; CourseError with its last words if it has ended."""
        line = self.process.stdout.readline()
        if not line:
            raise CourseError(f'The measuring of {self.name} broke off: {self.last_words()}')
        return json.loads(line)

    def measure(self):
        with contextlib.suppress(BrokenPipeError):  # `read` says why
            print(file=self.process.stdin, flush=True)
        return self.read()

    def last_words(self):
        """Why the process has ended, in one line."""
        code = self.process.wait()
        self.errors.seek(0)
        last = [line.strip() for line in self.errors if line.strip()][-1:]
        if code == -signal.SIGKILL:
            last = ['is there too little memory?']
        if code < 0:
            return ': '.join([f'it was killed by signal {-code}', *last])
        return last[0] if last else f'exit code {code}'


def threads(command):
    """As many threads for each side as there are cores.

    Operators of our dense networks are too small to be shared out among threads: there MXNet runs
    so many side by side instead, as the README advises.
    """
    _, script, task, *details = command
    ours = (script, task) == ('ours.py', 'train')
    if ours and json.loads(details[0])['vae'] == 'DenseVAE':
        return {'OMP_NUM_THREADS': '1', 'MXNET_CPU_WORKER_NTHREADS': str(THREADS)}
    return {'OMP_NUM_THREADS': str(THREADS)}


def once(name, *command):
    """The one thing that a process says."""
    with Worker(name, command) as worker:
        return worker.read()


def alternated(name, rounds, commands, progress):
    """Measures by the names of the commands, one dictionary for each round."""
    progress.set_description(name)
    with contextlib.ExitStack() as stack:
        workers = {}
        for key, command in commands.items():  # each in peace: the next starts when it is ready
            workers[key] = stack.enter_context(Worker(f'{name} ({key})', command))
            workers[key].read()
            progress.update()
        measured = []
        for _ in range(rounds):
            measured.append({})
            for key, worker in workers.items():
                measured[-1][key] = worker.measure()
                progress.update()
    return measured


# What is measured


def ours(parameters, steps, script='ours.py'):
    return [sys.executable, script, 'train', json.dumps(parameters), str(steps)]


def theirs(python, parameters, steps, suffix=''):
    """A command for each variant; dense networks have no channels that could come last."""
    task = json.dumps(parameters), str(steps)
    dense = parameters['vae'] == 'DenseVAE'
    return {
        variant + suffix: [python, 'pytorch.py', 'train', *task, variant + suffix]
        for variant in VARIANTS
        if not (dense and variant == 'channels_last')
    }


def series(python, smoke=False):
    """Every series of alternated measures: name to (rounds, commands by name)."""
    rounds = dict.fromkeys(ROUNDS, 1) if smoke else ROUNDS
    steps = dict.fromkeys(STEPS, 1) if smoke else STEPS
    found = {'peak': (rounds['table'], products(python, str(PRODUCT_SIDE)))}
    for name, parameters in CASES.items():
        task = parameters, steps[name]
        commands = {'ours': ours(*task)} | theirs(python, *task)
        found[name] = rounds['table'], commands
    task = CASES[AUTOCAST], steps[AUTOCAST]
    found['bfloat16'] = rounds['more'], {'ours': ours(*task)} | theirs(python, *task, '+bfloat16')
    task = CASES[STUDIED], steps[STUDIED]
    found['study step'] = rounds['more'], {'ours': ours(*task), 'study': ours(*task, 'study.py')}
    for parameters, num_steps in grown():
        command = ours(parameters, 1 if smoke else num_steps)
        found[size(parameters)] = rounds['growth'], {'ours': command}
    return found


def products(python, side):
    mxnet = {name: [sys.executable, 'ours.py', 'product', name, side] for name in MXNET_PRODUCTS}
    return mxnet | {'PyTorch': [python, 'pytorch.py', 'product', side]}


def size(parameters):
    return 'batch {batch_size}, side {image_size}, base {base_channels}'.format(**parameters)


def check(ours, theirs):
    """CourseError if the networks of both sides have other sizes, or compute other losses."""
    for name in CASES:
        if ours[name]['parameters'] != theirs[name]['parameters']:
            raise CourseError(
                f'{name} is not the same in PyTorch: {ours[name]["parameters"]} parameters here, '
                f'{theirs[name]["parameters"]} there.'
            )
        for step, (a, b) in enumerate(zip(ours[name]['losses'], theirs[name]['losses'])):
            for loss in a.keys() | b.keys():
                if not abs(a.get(loss, 0) - b.get(loss, 0)) <= TOLERANCE * abs(a.get(loss, 0)):
                    raise CourseError(
                        f'{name} is not the same in PyTorch: in step {step} (from 0) from the '
                        f'same weights {loss} is {a.get(loss)} here and {b.get(loss)} there.'
                    )


# The tables


def median(rounds, key):
    return statistics.median(r[key]['per_s'] for r in rounds)


def ratios(rounds, other):
    """Median and range of ours over another's, each round for itself."""
    found = [r['ours']['per_s'] / r[other]['per_s'] for r in rounds]
    return {
        'ratio_median': statistics.median(found),
        'ratio_min': min(found),
        'ratio_max': max(found),
    }


def against_torch(rounds):
    """Rates (pictures/s), ratios and memory (MB) of ours and of PyTorch's fastest variant."""
    variants = {key: median(rounds, key) for key in rounds[0] if key != 'ours'}
    best = max(variants, key=variants.get)
    return {
        'ours_per_s': median(rounds, 'ours'),
        'torch_best': best,
        'torch_per_s': variants[best],
        **ratios(rounds, best),
        'torch_variants_per_s': variants,
        'memory_mb': {'ours': memory(rounds, 'ours'), 'torch': memory(rounds, best)},
    }


def memory(rounds, key):
    return max(r[key]['memory'] for r in rounds)


def row(name, rounds, peak):
    """A row of `table.json`; `peak` in multiply-adds/s."""
    found = {'name': name, **against_torch(rounds)}
    return found | {
        'peak_fraction': found['ours_per_s'] * multiply_adds(CASES[name]) / peak,
        'multiply_adds': multiply_adds(CASES[name]),
    }


def growth_row(parameters, rounds, peak):
    """How fast ours is at one size."""
    per_s, count = median(rounds, 'ours'), multiply_adds(parameters)
    return {
        **{name: parameters[name] for name in ('batch_size', 'image_size', 'base_channels')},
        'ours_per_s': per_s,
        'seconds_per_step': parameters['batch_size'] / per_s,
        'peak_fraction': per_s * count / peak,
        'multiply_adds': count,
        'memory_mb': memory(rounds, 'ours'),
    }


def multiply_adds(parameters):
    """Those of one training step for each picture."""
    vae, disc = Experiment(**parameters).networks(shape(parameters), seed=0)
    return of_a_step(vae, disc, np.zeros((1, *shape(parameters))))


def tables(rounds, torch):
    """What `table.json` and `more.json` hold."""
    products = {key: max(r[key]['per_s'] for r in rounds['peak']) for key in rounds['peak'][0]}
    peak = max(products[name] for name in MXNET_PRODUCTS)
    step = rounds['study step']
    more = {
        'circumstances': with_torch(circumstances(), torch),
        'peak': {'multiply_adds_per_s': peak, 'products': products},
        'growth': [growth_row(p, rounds[size(p)], peak) for p, _ in grown()],
        'study_step': {
            'name': STUDIED,
            'ours_per_s': median(step, 'ours'),
            'study_per_s': median(step, 'study'),
            **ratios(step, 'study'),
        },
        'bfloat16': {'name': AUTOCAST, **against_torch(rounds['bfloat16'])},
    }
    return [row(name, rounds[name], peak) for name in CASES], more


def with_torch(here, torch):
    """The circumstances of both sides; of the threads those that the workers had."""
    versions = here['versions'] | {'torch': torch['version']}
    return here | {'versions': versions, 'threads': torch['threads']}


# The command


def bench(python, folder, smoke=False):
    """Measure everything, then write the tables; CourseError if something is missing or broken."""
    if lack := missing():
        raise CourseError(lack)
    if not Path(python).exists():
        raise CourseError(f'{python} was not found: `make bench` sets it up.')
    todo = series(python, smoke)
    total = sum((rounds + 1) * len(commands) for rounds, commands in todo.values())
    with tqdm(total=total, unit='measure') as progress:
        progress.set_description('the same losses')
        torch = once("PyTorch's losses", python, 'pytorch.py', 'losses')
        check(once('our losses', sys.executable, 'ours.py', 'losses'), torch['cases'])
        rounds = {name: alternated(name, *todo[name], progress) for name in todo}
    table, more = tables(rounds, torch)
    for name, content in {'more.json': more, 'table.json': table}.items():
        files.write_whole(folder / name, (json.dumps(content, indent=2) + '\n').encode())
    print(report.markdown(table, more))
    print(f'\nWritten to {folder}')


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('python', help='the interpreter of the environment that has PyTorch')
    parser.add_argument(
        '--smoke',
        action='store_true',
        help='one round of one step, to see whether it works; its numbers go to runs/bench/',
    )
    arguments = parser.parse_args(arguments)
    folder = paths.RUNS / 'bench' if arguments.smoke else report.FOLDER
    try:
        bench(os.path.abspath(arguments.python), folder, arguments.smoke)
    except CourseError as e:
        print(e, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('Stopped: nothing was written.', file=sys.stderr)
        return 130


if __name__ == '__main__':
    sys.exit(main())
