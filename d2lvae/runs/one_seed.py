"""One seed of an experiment in a process of its own: how a sweep's workers train.

A process of its own has its threads set before MXNet is imported, gives all its memory back, and
takes nothing else with it when it dies. It ends with the process that started it, however that
ends, because the pipe to its standard input is closed then; so its locks are free at once.
"""

import json
import os
import subprocess
import sys
import threading

from d2lvae.base.errors import CourseError


def run_in_process(task, failure_of_control=None):
    """Train a seed, or go on with it, and score it; what went wrong in a sentence, or None.

    `task` has the `experiment` and its `control` (or None) as dictionaries, the `seed`, whether it
    is to be `scored`, the folder of the `runs`, and the sources of one's `own` losses and networks.
    """
    if failure_of_control:
        return f'its control failed ({failure_of_control})'
    with subprocess.Popen(
        [sys.executable, '-m', __name__, json.dumps(task)],
        env=os.environ | {'OMP_NUM_THREADS': '1', 'D2LVAE_RUNS': task['runs']},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        said = process.stderr.read().strip().splitlines()
        code = process.wait()
    if code < 0:
        return f'it was killed by signal {-code}: is there too little memory?'
    return said[-1] if code else None


def main(task):
    from d2lvae.runs import identity, scores
    from d2lvae.runs.experiment import Experiment

    threading.Thread(target=end_with_parent, daemon=True).start()
    identity.register(task['own'])
    experiment, seed = Experiment(**task['experiment']), task['seed']
    control = task['control'] and Experiment(**task['control'])
    data = experiment.data()
    experiment.train(seed, data)
    if task['scored']:
        scores.score(experiment, seed, data, control)


def end_with_parent():
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == '__main__':
    try:
        main(json.loads(sys.argv[1]))
    except CourseError as e:
        sys.exit(str(e))
