"""Parameters that are checked wherever they are made, and described where they are declared."""

import math

import pydantic

from d2lvae.base.errors import CourseError


class Parameters(pydantic.BaseModel):
    """Named values of fixed types and ranges; another type, range or name is refused.

    Raises
    ------
    CourseError
        With the parameter, what is allowed, and what was given.
    """

    model_config = pydantic.ConfigDict(
        strict=True, frozen=True, extra='forbid', allow_inf_nan=False
    )

    def __init__(self, **parameters):
        try:
            super().__init__(**parameters)
        except pydantic.ValidationError as e:
            raise CourseError(sentence(e.errors()[0], type(self).model_fields)) from None

    def changed(self, **changes):
        """The same with some parameters changed, and checked as if they were all given anew."""
        return type(self)(**self.model_dump() | changes)

    def has_default(self, name):
        return getattr(self, name) == type(self).model_fields[name].default

    @classmethod
    def of(cls, *kinds):
        """Names of the parameters that matter only there; see `parameter`."""
        fields = cls.model_fields.items()
        return [name for name, field in fields if field.json_schema_extra['of'] in kinds]


def parameter(default, description, of=None, **limits):
    """The field of a parameter: its default, one sentence, and the limits of its range.

    `of` says where it matters, if not everywhere: 'combo', in runs with combo epochs; 'disc', in
    runs that train a discriminator; 'digits' or 'faces'.
    """
    return pydantic.Field(default, description=description, json_schema_extra={'of': of}, **limits)


def sentence(error, known=()):
    """One of pydantic's errors in one sentence; `known` are the names that there are."""
    name, given = '.'.join(map(str, error['loc'])), error['input']
    if error['type'] == 'extra_forbidden':
        return f'Unknown parameter {name}: this course knows {", ".join(known)}.'
    if error['type'] == 'value_error':
        return error['msg'].removeprefix('Value error, ') + '.'
    hint = ' (in YAML a number like 1e-4 is written 1.0e-4)' if is_number(given) else ''
    if error['type'] == 'string_type' and given is not None:
        hint = f': to keep a name of digits as it is, give papermill -r {name} in place of -p, and '
        hint += 'YAML the name in quotes'
    should = error['msg'].removeprefix('Input ').removeprefix('String ')
    return f'Parameter {name} {should}, but was {given!r}{hint}.'


def is_number(given):
    try:
        return isinstance(given, str) and math.isfinite(float(given))
    except ValueError:
        return False
