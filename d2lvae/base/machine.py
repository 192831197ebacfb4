"""The machine: what it is, and whether this process had it to itself for so many seconds."""

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

import mxnet as mx
import psutil

import d2lvae

OTHERS = 0.05  # of all cores' time: what a machine without other work spends at most


class Clock:
    """Runs from when it is made."""

    def __init__(self):
        self.started, self.others = time.perf_counter(), time_of_others()

    def read(self):
        """(seconds, whether all other processes together took less than 5 % of the cores)."""
        seconds = time.perf_counter() - self.started
        others = time_of_others() - self.others
        return seconds, others < OTHERS * seconds * psutil.cpu_count()


def time_of_others():
    """Seconds of all cores so far that were neither idle nor this process's, which it starts with.

    What the host of a virtual machine gave to others (steal) counts.
    """
    times = psutil.cpu_times()
    twice = times.guest + times.guest_nice  # they are in user and nice already
    return sum(times) - twice - times.idle - times.iowait - time.process_time()


def circumstances():
    """Versions, machine and threads."""
    packages = ('mxnet', 'd2l', 'numpy')
    return {
        'versions': {
            'python': platform.python_version(),
            'd2lvae': d2lvae.__version__,
            **{name: version(name) for name in packages},
        },
        'machine': f'{cpu_name()}, {os.cpu_count()} cores, '
        f'{"GPU" if mx.context.num_gpus() else "no GPU"}',
        'threads': int(os.environ['OMP_NUM_THREADS']),
    }


def cpu_name():
    lines = Path('/proc/cpuinfo').read_text().splitlines()
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.machine()
