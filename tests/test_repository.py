"""One source of pins, no large files, and one framework."""

import re
import subprocess
import tomllib

import pytest
import yaml

from d2lvae.base.paths import ROOT

MAX_BYTES = 2_000_000
OTHER_FRAMEWORK = re.compile(r'\b(?:from|import)\s+(?:torch|tensorflow|jax)\b')
PIN = re.compile(r'([a-z0-9-]+)==([\w.]+)')


def pins(lines):
    """Name to version; an AssertionError for a line that pins nothing."""
    found = {}
    for line in lines:
        pin = PIN.fullmatch(line)
        assert pin, f'{line!r} is no exact pin: write name==version, the name in lower case.'
        found[pin[1]] = pin[2]
    return found


def lock():
    lines = (ROOT / 'requirements.txt').read_text().splitlines()
    return pins(line for line in lines if line and not line.lstrip().startswith('#'))


def project():
    return tomllib.loads((ROOT / 'pyproject.toml').read_text())


@pytest.mark.parametrize('line', ['numpy', 'numpy>=1.23.5', 'numpy==1.23.*', '--index-url x'])
def test_a_loose_requirement_is_found(line):
    with pytest.raises(AssertionError, match='no exact pin'):
        pins([line])


def test_the_lock_agrees_with_the_project():
    direct = pins(project()['project']['dependencies'])
    assert direct.items() <= lock().items(), 'Make requirements.txt anew: its first lines say how.'


def test_builds_are_pinned_too():
    assert pins(project()['build-system']['requires'])


def test_conda_takes_the_same_lock_and_python():
    environment = yaml.safe_load((ROOT / 'environment.yml').read_text())
    python, _, nested = environment['dependencies']
    assert nested == {'pip': ['-r requirements.txt', '-e .']}
    assert f'python{project()["project"]["requires-python"]}' == f'{python.replace("=", "==")}.*'


def files_of_the_repository():
    """What is tracked, and what would be with `git add .`."""
    listed = subprocess.run(
        ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip(
            'This copy is no git repository, so that nothing says which files belong to it.'
        )
    return [path for name in listed.stdout.split('\0') if name and (path := ROOT / name).is_file()]


def test_no_file_is_large():
    large = [path for path in files_of_the_repository() if path.stat().st_size > MAX_BYTES]
    assert large == [], f'Files over 2 MB belong into data/ or runs/: {large}'


@pytest.mark.parametrize('folder', ['d2lvae', 'notebooks', 'tests'])
def test_there_is_one_framework(folder):
    sources = [*(ROOT / folder).rglob('*.py'), *(ROOT / folder).glob('*.ipynb')]
    assert sources, f'{folder}/ is empty.'
    found = [path.name for path in sources if OTHER_FRAMEWORK.search(path.read_text())]
    assert found == [], f'The course is written for MXNet alone: {found}'


@pytest.mark.parametrize('source', ['torch as t', 'torch.nn', 'torch'])
def test_another_framework_is_found(source):
    assert OTHER_FRAMEWORK.search('import ' + source)
    assert not OTHER_FRAMEWORK.search('import ' + 'torchlight')
