"""Times this package's training against PyTorch's, in alternation; writes `table.json`.

`python run.py PYTHON`, where PYTHON is the interpreter of the environment that has PyTorch.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from cases import BATCH_SIZE, CASES, STEPS
from tqdm import tqdm

HERE = Path(__file__).parent
ROUNDS = 7
VARIANTS = ('eager', 'channels_last', 'compile')


class Worker:
    """A process that runs an epoch each time it is asked, and waits in between."""

    def __init__(self, *command):
        threads = str(len(os.sched_getaffinity(0)))
        self.process = subprocess.Popen(
            command,
            cwd=HERE,
            env=os.environ | {'OMP_NUM_THREADS': threads},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f'{" ".join(self.process.args[1:])} ended: run it alone to see why.')
        return json.loads(line)

    def measure(self):
        print(file=self.process.stdin, flush=True)
        return self.read()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def workers(parameters, python):
    """One worker of ours and one of each variant of theirs, by name, ready to be asked."""
    task = json.dumps(parameters), str(STEPS[parameters['vae']])
    found = {'ours': Worker(sys.executable, 'ours.py', *task)}
    for variant in VARIANTS:
        found[variant] = Worker(python, 'theirs.py', *task, variant)
    for worker in found.values():
        worker.read()
    return found


def timed(name, python):
    """A row of the table: medians over the rounds, and the ratio within each round."""
    with contextlib.ExitStack() as stack:
        running = workers(CASES[name] | {'batch_size': BATCH_SIZE}, python)
        for worker in running.values():
            stack.callback(worker.close)
        rounds = [
            {key: worker.measure() for key, worker in running.items()}
            for _ in tqdm(range(ROUNDS), name, unit='round', leave=False)
        ]
    per_s = {key: [r[key]['per_s'] for r in rounds] for key in running}
    best = max(VARIANTS, key=lambda variant: statistics.median(per_s[variant]))
    ratios = [ours / theirs for ours, theirs in zip(per_s['ours'], per_s[best])]
    return {
        'name': name,
        'ours_per_s': statistics.median(per_s['ours']),
        'torch_best': best,
        'torch_per_s': statistics.median(per_s[best]),
        'ratio_median': statistics.median(ratios),
        'ratio_min': min(ratios),
        'ratio_max': max(ratios),
        'memory': {key: rounds[-1][key]['memory'] for key in ('ours', best)},
    }
