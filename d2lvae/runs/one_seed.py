"""One seed of an experiment in a process of its own: how a sweep's workers train.

A process of its own has its threads set before MXNet is imported, gives all its memory back, and
takes nothing else with it when it dies. It ends with the process that started it, however that
ends, because the pipe to its standard input is closed then; so its locks are free at once.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import traceback

from d2lvae.base.errors import one_line


def run_in_process(task, failure_of_control=None):
    """Train a seed, or go on with it, and score it; what went wrong in a sentence, or None.

    `task` has the `experiment` and its `control` (or None) as dictionaries, the `seed`, whether it
    is to be `scored`, the folder of the `runs`, the sources of one's `own` losses and networks, the
    `cwd` from which relative paths count, and the paths that must be `shared` with the machine of
    the sweep.
    """
    if failure_of_control:
        return f'its control failed ({failure_of_control})'
    for path in task['shared']:
        if not os.path.exists(path):
            return (
                f'the worker on {socket.gethostname()} does not see {path} as the machine of the '
                'sweep does: share its folder with all workers, at the same path'
            )
    with subprocess.Popen(
        [sys.executable, '-m', __name__, json.dumps(task)],
        env=os.environ | {'OMP_NUM_THREADS': '1', 'D2LVAE_RUNS': task['runs']},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        said = process.stderr.read()
    return complaint(process.returncode, said)


def complaint(code, said):
    """What went wrong in a process, by its exit code and its standard error, or None."""
    if code < 0:
        return f'it was killed by signal {-code}: is there too little memory?'
    lines = said.strip().splitlines()
    return (lines[-1] if lines else f'it ended with exit code {code}') if code else None


def main(task):
    from d2lvae.runs import identity, scores
    from d2lvae.runs.experiment import Experiment

    end_with_parent()
    if os.path.isdir(task['cwd']):  # elsewhere no path of this task is relative
        os.chdir(task['cwd'])
    identity.register(task['own'])
    experiment, seed = Experiment(**task['experiment']), task['seed']
    control = task['control'] and Experiment(**task['control'])
    data = experiment.data()
    experiment.train(seed, data)
    if task['scored']:
        scores.score(experiment, seed, data, control)


def end_with_parent():
    """End this process when the standard input is closed, as the end of its parent does."""

    def wait():
        os.read(sys.stdin.fileno(), 1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == '__main__':
    try:
        main(json.loads(sys.argv[1]))
    except Exception as e:
        traceback.print_exc()
        sys.exit(one_line(e))
