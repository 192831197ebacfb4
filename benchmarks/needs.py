"""Ends with a sentence if this machine lacks what `torch.compile` needs."""

import os
import shutil
import sys
import sysconfig
from pathlib import Path


def missing():
    """What is missing and what to do, in a sentence; None if nothing is."""
    compiler = os.environ.get('CXX', 'g++')
    if not shutil.which(compiler):
        return (
            f'torch.compile needs a C++ compiler, and {compiler} was not found: install it (on '
            'Debian and Ubuntu g++), or name another one in the variable CXX, and repeat.'
        )
    if not (Path(sysconfig.get_path('include')) / 'Python.h').exists():
        return (
            'torch.compile needs the headers of Python 3.11, and Python.h was not found: install '
            'them (on Debian and Ubuntu python3.11-dev), and repeat.'
        )


if __name__ == '__main__':
    sys.exit(missing())
