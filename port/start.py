"""What the course hands over: parameters, schedules, pictures and first weights.

MXNet makes them in a process of its own (`python -m d2lvae export`), so that both frameworks train
the same networks from the same weights on the same pictures, and each parameter has one home.
"""

import json
import subprocess
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from port import PortError

ROOT = Path(__file__).resolve().parents[1]
COURSE = ROOT / '.venv' / 'bin' / 'python'


class Start:
    """Everything that a run begins with.

    Attributes
    ----------
    parameters : namespace
        Those of the course's `Experiment`, all of them.
    facts : dict
        `data` (name, fingerprint, train, held_out) and `folder`, `<Model>_on_<data>`.
    train, held_out : numpy.ndarray
        Pictures (N, C, H, W), uint8.
    phases, steps : list of str
        For each epoch: 'solo' or 'combo', and of which kind its steps are, 'warmup' being a third.
    schedule : dict
        `lr`, `pbp_weight` and `disc_weight`, an array each with a number for every step.
    """

    def __init__(self, path):
        with np.load(path) as found:
            arrays = dict(found)
        self.facts = json.loads(arrays.pop('facts').tobytes())
        self.parameters = SimpleNamespace(**self.facts.pop('parameters'))
        self.phases, self.steps = self.facts.pop('phases'), self.facts.pop('steps')
        self.train, self.held_out = arrays.pop('train'), arrays.pop('held_out')
        self.schedule = {n: arrays.pop(n) for n in ('lr', 'pbp_weight', 'disc_weight')}
        self._weights = arrays

    def weights(self, seed, net):
        """First weights of 'vae' or 'disc' for a seed, in the network's order."""
        prefix = f'seed_{seed}/{net}/'
        return [array for name, array in self._weights.items() if name.startswith(prefix)]


def handed_over(arguments, python=COURSE):
    """What `python -m d2lvae export` makes of its arguments; PortError if it makes nothing."""
    if not Path(python).exists():
        raise PortError(
            f'{python} was not found: `make port-test` sets it up, or name it by --course.'
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'start.npz'
        command = [python, '-m', 'd2lvae', 'export', '--to', path, *arguments]
        done = subprocess.run(list(map(str, command)), cwd=ROOT, stderr=subprocess.PIPE, text=True)
        if done.returncode or not path.exists():
            last = [line for line in done.stderr.splitlines() if line.strip()][-1:]
            raise PortError(last[0] if last else f'The course ended with {done.returncode}.')
        return Start(path)
