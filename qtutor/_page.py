"""A figure with controls in a page without a kernel: all figures of the grid, packed, and native controls."""

import itertools
import math
from html import escape

import plotly.io as pio

from ._pack import pack, plain, same_traces

MOST_FIGURES = 2_000  # a page computes and stores one figure per point of the grid
MOST_BYTES = 350_000  # of 700 000 for the whole page
_DEFAULT = pio.templates["plotly"].to_plotly_json()
_number_on_page = itertools.count(1)


class Page:
    """Native controls, the packed figures, a caption: all that the browser needs."""

    def __init__(self, draw, controls):
        shape = [len(c.values) for c in controls]
        if math.prod(shape) > MOST_FIGURES:
            sizes = ", ".join(f"{c.name} {len(c.values)}" for c in controls)
            raise ValueError(
                f"this grid has {math.prod(shape)} figures ({sizes}), a page holds at most {MOST_FIGURES}: "
                "thin out the longest list of values or drop a control"
            )
        names = [c.name for c in controls]
        grid = itertools.product(*(c.values for c in controls))
        figures = [_untemplated(draw(dict(zip(names, point)))) for point in grid]
        for figure in figures:
            same_traces(len(figures[0]["data"]), len(figure["data"]))
        about = [{"name": c.name, "texts": c.texts, "values": c.values, "start": c.start} for c in controls]
        self.payload, self.controls = pack(figures, shape, controls=about), controls
        if len(self.payload) > MOST_BYTES:
            raise ValueError(
                f"these {len(figures)} figures take {len(self.payload) / 1000:.0f} kB, a page has room for "
                f"{MOST_BYTES / 1000:.0f} kB: fewer values of {names}, or fewer points in a trace"
            )
        place = 0
        for c in controls:
            place = place * len(c.values) + c.start
        self.alt = figures[place]["layout"]["meta"]["alt"]
        self.height = figures[place]["layout"].get("height", 380)

    def __repr__(self):
        return self.alt

    def _repr_html_(self):
        me = f"qt-fig-{next(_number_on_page)}"
        rows = "\n".join(_control_html(c, f"{me}-{c.name}") for c in self.controls)
        controls = f'<div class="qt-controls" hidden>\n{rows}\n</div>\n' if rows else ""
        alt = escape(self.alt)
        return (
            f'<figure class="qt-figure" id="{me}">\n{controls}'
            f'<div class="qt-plot" role="img" aria-label="{alt}" style="min-height:{self.height:.0f}px">\n'
            '<p class="qt-waiting">This figure needs JavaScript; what it shows stands below.</p></div>\n'
            f'<figcaption class="qt-alt" aria-live="polite">{alt}</figcaption>\n'
            f'<script type="application/json" class="qt-data">"{self.payload}"</script>\n</figure>'
        )


def _untemplated(figure):
    """The figure's JSON; plotly's default template gives way to the theme of the page."""
    tree = figure.to_plotly_json()
    if tree["layout"].get("template") == _DEFAULT:
        del tree["layout"]["template"]
    return plain(tree)


def _control_html(c, me):
    about = f'data-control="{escape(c.name)}" autocomplete="off"'
    label, now = escape(c.label), escape(c.texts[c.start])
    output = f'<output for="{me}">{now}</output>'
    if c.kind == "radio":
        choices = "".join(
            f'<label><input type="radio" name="{me}" value="{i}" {about}{_if(i == c.start, "checked")}>'
            f"{escape(text)}</label>"
            for i, text in enumerate(c.texts)
        )
        return f'<fieldset class="qt-control"><legend>{label}</legend>{choices}</fieldset>'
    if c.kind == "select":
        options = "".join(
            f'<option value="{i}"{_if(i == c.start, "selected")}>{escape(text)}</option>'
            for i, text in enumerate(c.texts)
        )
        field = f'<select id="{me}" {about}>{options}</select>'
    elif c.kind == "switch":
        field = f'<input type="checkbox" id="{me}" {about}{_if(c.values[c.start], "checked")}>{output}'
    else:
        most = len(c.values) - 1
        field = (
            f'<input type="range" id="{me}" {about} min="0" max="{most}" step="1" value="{c.start}" '
            f'aria-valuetext="{now}">{output}'
        )
        if c.plays:
            field += f'<button type="button" class="qt-play" data-plays="{me}">play</button>'
    return f'<div class="qt-control"><label for="{me}">{label}</label>{field}</div>'


def _if(condition, attribute):
    return f" {attribute}" if condition else ""
