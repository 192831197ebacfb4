"""Whether this process had the machine to itself, on a machine whose counters the test turns."""

from types import SimpleNamespace

import psutil
import pytest

from d2lvae.base import machine as clock

IDLE = {'user': 0, 'system': 0, 'idle': 0, 'iowait': 0, 'steal': 0, 'guest': 0, 'guest_nice': 0}


class Counters(SimpleNamespace):
    """What `psutil.cpu_times` gives: the seconds of all cores by what they were spent on."""

    def __iter__(self):
        return iter(vars(self).values())


@pytest.fixture
def machine(monkeypatch):
    """Four cores, of whose counters a test changes some; and how long this process has run."""
    counters, own = Counters(**IDLE), SimpleNamespace(now=100.0, used=0.0)
    monkeypatch.setattr(psutil, 'cpu_times', lambda: Counters(**vars(counters)))
    monkeypatch.setattr(psutil, 'cpu_count', lambda: 4)
    monkeypatch.setattr(clock.time, 'perf_counter', lambda: own.now)
    monkeypatch.setattr(clock.time, 'process_time', lambda: own.used)
    return counters, own


@pytest.mark.parametrize(
    'spent, alone',
    [
        ({'user': 20.0, 'idle': 20.0}, True),  # all of it by this process
        ({'user': 21.0}, True),
        ({'user': 21.9}, True),
        ({'user': 22.1}, False),  # 2.1 of 40 seconds by others
        ({'user': 20.0, 'iowait': 20.0}, True),  # waiting for a disk is idling
        ({'user': 20.0, 'system': 3.0}, False),
        ({'user': 20.0, 'steal': 3.0}, False),
        ({'user': 21.0, 'guest': 3.0}, True),  # a guest's seconds are in user already
    ],
)
def test_others_may_take_a_twentieth_of_the_cores(machine, spent, alone):
    counters, own = machine
    running = clock.Clock()
    own.now, own.used = 110.0, 20.0
    vars(counters).update(spent)
    assert running.read() == (10.0, alone)


def test_what_was_spent_before_does_not_count(machine):
    counters, own = machine
    counters.user = 1000.0
    running = clock.Clock()
    own.now = 101.0
    assert running.read() == (1.0, True)


def test_the_machine_has_the_counters():
    seconds, _ = clock.Clock().read()
    assert seconds >= 0 and clock.time_of_others() > 0
