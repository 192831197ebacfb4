"""A Sphinx extension: the docstrings' formulas and names, which are Markdown, as Sphinx's roles."""

import re

# In this order at each place, so that a formula in backticks stays code.
MARKUP = re.compile(
    r'(?P<code>(?<![`:])`[^`\n]+`(?!`))'
    r'|\$\$(?P<display>.+?)\$\$'
    r'|(?<!\\)\$(?P<inline>[^$]+?)\$'
    r'|(?P<special>\||(?<!\w)\*(?=\w)(?![^*\n]*\*))',  # bars, and stars that begin no emphasis
    re.DOTALL,
)


def in_roles(text):
    """Markdown's code and formulas of a docstring in reStructuredText.

    >>> in_roles('`a*b` costs $|a|$, |b| or *args')
    '``a*b`` costs :math:`|a|`, \\\\|b\\\\| or \\\\*args'
    """
    return MARKUP.sub(role, text)


def role(match):
    kind, found = match.lastgroup, match[match.lastgroup]
    if kind == 'code':
        return f'`{found}`'
    if kind == 'inline':
        return f':math:`{" ".join(found.split())}`'
    if kind == 'special':
        return f'\\{found}'
    lines = [f'   {line.strip()}' for line in found.strip().splitlines()]
    return '\n\n.. math::\n\n' + '\n'.join(lines) + '\n\n'


def process(app, what, name, obj, options, lines):
    lines[:] = in_roles('\n'.join(lines)).splitlines()


def setup(app):
    # Before Napoleon (500), which turns NumPy's sections into fields.
    app.connect('autodoc-process-docstring', process, priority=400)
    return {'parallel_read_safe': True}
