"""What the course does, made once in a process of its own, and short runs of the port."""

import os
import subprocess

import pytest
import torch

from port.start import COURSE, ROOT

torch.set_flush_denormal(True)
torch.set_num_threads(1)

TINY = """
dataset: avatars
num_train: 32
num_held_out: 8
image_size: 32
vae: ConvVAE
latents: 4
base_channels: 2
num_epochs: 6
solo_epochs: 3
batch_size: 8
flip: true
discriminator: ResNet
disc_channels: 2
disc_weight: 10.0
disc_weighting: adaptive
"""


@pytest.fixture(scope='session')
def course(tmp_path_factory):
    """The folder that `course_side.py` has filled."""
    folder = tmp_path_factory.mktemp('course')
    script = ROOT / 'port' / 'tests' / 'course_side.py'
    environment = os.environ | {'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    subprocess.run([COURSE, script, folder], env=environment, check=True, cwd=folder)
    return folder


@pytest.fixture
def parameters(tmp_path):
    path = tmp_path / 'parameters.yaml'
    path.write_text(TINY)
    return path


@pytest.fixture(scope='session')
def quick_course(tmp_path_factory):
    """In place of the course's interpreter: hands over at once what it hands over for `TINY`."""
    folder = tmp_path_factory.mktemp('quick')
    (folder / 'parameters.yaml').write_text(TINY)
    command = [COURSE, '-m', 'd2lvae', 'export', folder / 'parameters.yaml', '--to']
    subprocess.run([*command, folder / 'start.npz'], check=True, cwd=ROOT)
    script = folder / 'course'
    script.write_text(f'#!/bin/sh\ncp {folder}/start.npz "$5"\n')
    script.chmod(0o755)
    return script


@pytest.fixture
def arguments(parameters, tmp_path, quick_course):
    """Of the command line: a short run on the CPU."""
    given = ['--out', tmp_path / 'run', '--device', 'cpu', '--course', quick_course]
    return list(map(str, [parameters, *given]))
