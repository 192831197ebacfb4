"""What a sweep runs: a group of the catalogue, or every combination of the lists of a YAML file."""

import itertools
from typing import Annotated, Any, NamedTuple

import pydantic
import yaml

from d2lvae.base.errors import CourseError
from d2lvae.runs import catalogue
from d2lvae.runs.experiment import Experiment

Seed = Annotated[int, pydantic.Field(ge=0, lt=2**32)]


class Run(NamedTuple):
    """An experiment of a sweep, its noise control, and the row of the study it stands for."""

    label: str
    experiment: Experiment
    control: Experiment | None = None
    study_row: str | None = None


class SweepFile(pydantic.BaseModel):
    """`parameters` by name, where a list is tried value by value, and `seeds`."""

    model_config = pydantic.ConfigDict(strict=True, extra='forbid')

    parameters: Annotated[dict[str, Any], pydantic.Field(min_length=1)]
    seeds: Annotated[list[Seed], pydantic.Field(min_length=1)] = [0]


def from_catalogue(group, scale):
    """The runs of a group of the study's rows, with our own recipes for them."""
    runs = []
    for entry in catalogue.group(group):
        control = entry.control and catalogue.find(entry.control).at(scale)
        runs.append(Run(entry.experiment.run, entry.at(scale), control, entry.study_row))
    return runs


def from_yaml(path):
    """(runs, seeds) of a `SweepFile`: every combination of its lists, each run once.

    The control of a run is its VAE alone. Raises CourseError if the file cannot be read, names no
    run, or gives one name to several.
    """
    content = read(path)
    lists = {k: v if isinstance(v, list) else [v] for k, v in content.parameters.items()}
    varied = [name for name, values in lists.items() if len(values) > 1]
    runs = {}
    for values in itertools.product(*lists.values()):
        parameters = dict(zip(lists, values))
        experiment = Experiment(**parameters)
        label = ', '.join(f'{name} {parameters[name]}' for name in varied) or path.stem
        with_a_net = experiment.with_disc or experiment.frozen_weight
        control = experiment.matched_plain() if with_a_net else None
        run = runs.setdefault(experiment.folder, Run(label, experiment, control))
        if run.experiment.parameters() != experiment.parameters():
            raise CourseError(
                f'{path} gives the name {experiment.run} to several runs ({run.label}; {label}), '
                'of which only one could keep it: leave `run` out.'
            )
    if not runs:
        raise CourseError(f'{path} names no run: a list of its parameters is empty.')
    return list(runs.values()), content.seeds


class UniqueKeys(yaml.SafeLoader):
    """YAML of which no key counts for nothing, as the first of two does elsewhere."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f'{key} is there twice')
        return super().construct_mapping(node, deep)


def read(path):
    try:
        return SweepFile(**yaml.load(path.read_bytes(), UniqueKeys))
    except pydantic.ValidationError as e:
        error = e.errors()[0]
        place = '.'.join(map(str, error['loc']))
        reason = f'{place}: {error["msg"]}'
    except (OSError, TypeError, yaml.YAMLError) as e:
        reason = ' '.join(str(e).split())
    raise CourseError(
        f'{path} is no sweep ({reason}): give {", ".join(catalogue.GROUPS)}, or a YAML file of '
        'parameters, in which lists are tried value by value, and seeds.'
    )
