"""The set-up of an environment, with a small wheel of the test's own in place of the packages."""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile

import pytest

from d2lvae.base.paths import ROOT

# Makes the environment as Python would, but with pip and all packages from where the tests run.
PYTHON = """#!/bin/sh
case "$*" in -m\\ venv*) ;; *) exec '{python}' "$@" ;; esac
'{python}' -m venv --without-pip --clear .venv
printf '%s\\n' '{packages}' '{root}' > .venv/lib/python3.11/site-packages/borrowed.pth
cat > .venv/bin/pip <<'PIP'
#!/bin/sh
[ "$1" = install ] || exit 1
exec .venv/bin/python -m pip install -q --no-index "$PWD/setup_probe-1-py3-none-any.whl"
PIP
chmod +x .venv/bin/pip
"""


@pytest.fixture(scope='module')
def set_up(tmp_path_factory):
    """A copy that was set up by a user with settings for other environments."""
    copy, user = (tmp_path_factory.mktemp(name) for name in ('copy', 'user'))
    shutil.copy(ROOT / 'Makefile', copy)
    for name in ('requirements.txt', 'pyproject.toml'):
        (copy / name).touch()
    write_wheel(copy / 'setup_probe-1-py3-none-any.whl')
    python = user / 'python3.11'
    packages = sysconfig.get_path('purelib')
    python.write_text(PYTHON.format(python=sys.executable, packages=packages, root=ROOT))
    python.chmod(0o755)
    elsewhere = user / 'elsewhere'
    settings = f'target = {elsewhere}\nno-deps = true\ndry-run = true\n'
    (user / 'pip').mkdir()
    (user / 'pip' / 'pip.conf').write_text(f'[global]\n{settings}[install]\n{settings}')
    others = {'PATH': f'{user}:{os.environ["PATH"]}', 'XDG_CONFIG_HOME': str(user)}
    others |= {'PIP_USER': '1', 'PIP_TARGET': str(elsewhere), 'PIP_CACHE_DIR': str(user / 'cache')}
    command = 'make .venv/.ready-$(pwd | cksum | cut -d" " -f1)'
    environment = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'} | others
    made = subprocess.run(
        command, shell=True, cwd=copy, env=environment, text=True, capture_output=True
    )
    assert made.returncode == 0, made.stderr
    assert not elsewhere.exists()
    return copy


def write_wheel(path):
    info = f'{path.name.removesuffix("-py3-none-any.whl")}.dist-info'
    with zipfile.ZipFile(path, 'w') as wheel:
        wheel.writestr('setup_probe.py', '')
        wheel.writestr(f'{info}/METADATA', 'Metadata-Version: 2.1\nName: setup-probe\nVersion: 1\n')
        wheel.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\nTag: py3-none-any\n')
        wheel.writestr(f'{info}/RECORD', '')


def test_packages_go_into_the_environment_whatever_pip_is_set_to(set_up):
    assert (set_up / '.venv' / 'lib' / 'python3.11' / 'site-packages' / 'setup_probe.py').exists()


def test_an_activated_environment_has_kernels_and_packages_of_its_own_alone(set_up):
    command = '. .venv/bin/activate; echo "$VIRTUAL_ENV ${JUPYTER_PATH-none} ${PYTHONPATH-none}"'
    foreign = os.environ | {'JUPYTER_PATH': '/opt/other/jupyter', 'PYTHONPATH': '/opt/other'}
    said = subprocess.check_output(command, shell=True, cwd=set_up, env=foreign, text=True)
    assert said == f'{set_up / ".venv"} none none\n'


def test_packages_are_compiled_when_they_are_installed():
    """Or each kernel would compile them anew, where bytecode must not be written."""
    for module in ('jupyterlab.__main__', 'bokeh.__main__'):  # which no test imports
        source = importlib.util.find_spec(module).origin
        assert os.path.exists(importlib.util.cache_from_source(source)), module
