"""A Sphinx extension: docstrings whose markup is Markdown's, and pages that load less."""

import re
from pathlib import Path

from PIL import Image

# In this order at each place, so that a formula in backticks stays code.
MARKUP = re.compile(
    r'(?P<code>(?<![`:])`[^`\n]+`(?!`))'
    r'|\$\$(?P<display>.+?)\$\$'
    r'|(?<!\\)\$(?P<inline>[^$]+?)\$'
    r'|(?P<special>\||(?<!\w)\*(?=\w)(?![^*\n]*\*))',  # bars, and stars that begin no emphasis
    re.DOTALL,
)


def in_roles(text):
    """Markdown's code and formulas of a docstring in reStructuredText."""
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


def without_thebe(app, page, template, context, doctree):
    """Leave out what would fetch a library from elsewhere to run cells; the book has no kernel."""
    context['script_files'] = [
        script
        for script in context['script_files']
        if 'thebe' not in f'{script.filename} {script.attributes.get("body")}'
    ]


def with_webp(app, page, template, context, doctree):
    """Show the pictures that `lighter` makes, when they come into sight."""
    if 'body' in context:
        body = re.sub(r'(_images/[^"/]+)\.png', r'\1.webp', context['body'])
        context['body'] = re.sub(r'<img (?!loading)', '<img loading="lazy" ', body)


def lighter(app, error):
    """Turn pictures into lossless WebP, 40 % smaller, and empty a script of 1.5 MB.

    The script is for icons of one's own: the theme's come from its fonts already.
    """
    if error:
        return
    for png in Path(app.outdir, '_images').glob('*.png'):
        Image.open(png).convert('RGB').save(png.with_suffix('.webp'), lossless=True, method=6)
        png.unlink()
    Path(app.outdir, '_static/scripts/fontawesome.js').write_text('')


def setup(app):
    # Before Napoleon (500), which turns NumPy's sections into fields.
    app.connect('autodoc-process-docstring', process, priority=400)
    app.connect('html-page-context', without_thebe, priority=900)
    app.connect('html-page-context', with_webp)
    app.connect('build-finished', lighter)
    return {'parallel_read_safe': True}
