"""Steer it yourself: the reader draws u(t) and the browser shows at once where the state ends (section 3.2)."""

import itertools
import json
import math
import os
import uuid
from collections.abc import Mapping
from html import escape
from pathlib import Path

import torch

from .simulator import evolve
from .states import check_states, inner

BROWSER = Path(__file__).parent / "browser"
_number_on_page = itertools.count(1)


def steer(states, target, box, dt=0.2, steps=50, controls=None, limit=40.0):
    """Show a figure in which the reader draws u(t), step by step, and sees what it does to the state.

    `states`: name -> initial state (N,); `target`: (name, state); `controls`: name -> {state name: u (steps,)}, or
    one u for all states: what to start from, beside "nothing", "constant" and "slow sine". |u| can be drawn up to
    `limit`, or further where one of `controls` goes there. Needs no kernel: the browser solves the scheme of
    `evolve` itself. Raises ValueError for states of another norm or grid, names and lengths that do not fit.
    """
    if int(steps) != steps or steps < 2 or not 0 < dt < math.inf or not 0 < limit < math.inf:
        raise ValueError(f"steer needs 2 steps or more, positive dt and limit; got steps={steps}, {dt=}, {limit=}")
    if not (isinstance(states, Mapping) and states):
        raise ValueError('states maps names to initial states, for example {"ground state": qt.eigenstate(box, 1)}')
    if not (isinstance(target, tuple) and len(target) == 2 and isinstance(target[0], str)):
        raise ValueError('target is a pair (name, state), for example ("eigenstate 4", qt.eigenstate(box, 4))')
    for name, psi in [*states.items(), target]:
        check_states(psi)
        if tuple(psi.shape) != (box.points,):
            raise ValueError(f"state {name!r} has shape {tuple(psi.shape)}; one state of this box is ({box.points},)")
    turn = [2 * math.pi * (k + 0.5) / steps for k in range(steps)]
    presets = {"nothing": [[0.0] * steps], "constant": [[limit / 4] * steps],
               "slow sine": [[limit / 2 * math.sin(angle) for angle in turn]]}
    for name, given in (controls or {}).items():
        if name in presets:
            raise ValueError(f"{name!r} is always there; choose another name for this control")
        each = given if isinstance(given, Mapping) else {state: given for state in states}
        if set(each) != set(states):
            raise ValueError(f"control {name!r} has a u for {', '.join(map(str, each)) or 'no state'}, "
                             f"but the states are {', '.join(map(str, states))}")
        presets[str(name)] = [_control(name, state, each[state], steps) for state in states]
    reached = max(abs(v) for preset in presets.values() for u in preset for v in u)
    limit = limit if reached <= limit else 10 * math.ceil(reached / 10)
    return Steer(states, target, box, dt, int(steps), presets, limit)


def _control(name, state, u, steps):
    """One u of a preset as a list of numbers."""
    if not torch.is_tensor(u) or not u.is_floating_point() or tuple(u.shape) != (steps,):
        shape = tuple(u.shape) if hasattr(u, "shape") else type(u).__name__
        raise ValueError(f"control {name!r} for {state!r} needs a real tensor, one value for each of {steps} steps; "
                         f"got {shape}")
    if not torch.isfinite(u).all():
        where = int((~torch.isfinite(u)).nonzero()[0])
        raise ValueError(f"control {name!r} for {state!r} is not finite at step {where}")
    return _short(u.detach())


def _short(values):
    """Values with nine digits: what single precision holds."""
    return [float(f"{v:.9g}") for v in values.tolist()]


def _parts(name, psi):
    return {"name": str(name), "re": _short(psi.detach().real), "im": _short(psi.detach().imag)}


class Steer:
    """Markup, data and a first caption: all that browser/steer.js needs."""

    def __init__(self, states, target, box, dt, steps, presets, limit):
        from .figures.style import COLOUR, OTHER  # Plotly comes with it, and training needs none of it

        start, psi = next(iter(states.items()))
        overlap = inner(target[1].cpu(), evolve(psi.cpu(), torch.zeros(steps), box, dt)).abs().square().item()
        self.alt = f"As long as u is 0, {start} ends with a fidelity of {overlap:.3f} with {target[0]}."
        self.data = {
            "x": box.x.tolist(), "dx": box.dx, "walls": [-box.origin, box.length - box.origin], "dt": dt,
            "steps": steps, "limit": limit, "target": _parts(*target),
            "states": [_parts(*item) for item in states.items()],
            "presets": [{"name": name, "u": u, "colour": COLOUR.get(name.split()[-1], OTHER[2]), "ours": place < 3}
                        for place, (name, u) in enumerate(presets.items())],
        }  # fmt: skip

    def __repr__(self):
        return self.alt

    def _repr_html_(self):
        """The figure; in a kernel with the script and the style that a built page loads from files."""
        built = os.environ.get("QTUTOR_STATIC") == "1"
        data = self.data
        parts = {
            "me": f"qt-steer-{next(_number_on_page) if built else uuid.uuid4().hex[:8]}", "alt": escape(self.alt),
            "quiet": 'autocomplete="off" data-lm-suppress-shortcuts="true"',  # JupyterLab would eat the arrow keys
            "steps": data["steps"], "limit": data["limit"], "fine": data["limit"] / 80,
            "states": _options(data["states"]), "presets": _options(data["presets"]),
            "data": json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
        }  # fmt: skip
        html = MARKUP.format_map(parts)
        if not built:
            style, *scripts = ((BROWSER / name).read_text("utf8") for name in ("book.css", "scheme.js", "steer.js"))
            style = f"<style>{NOTEBOOK}\n@scope (.qt-notebook) {{\n{style}}}</style>"
            scripts = "".join(f"<script>\n{script}</script>\n" for script in scripts)
            html = f'<div class="qt-notebook">\n{html}\n{style}\n{scripts}</div>'
        return html


def _options(items):
    return "".join(f'<option value="{i}">{escape(item["name"])}</option>' for i, item in enumerate(items))


# The colours of the book's theme, told by those of JupyterLab.
NOTEBOOK = """.qt-notebook {
--pst-color-text-base: var(--jp-ui-font-color1, currentColor);
--pst-color-text-muted: var(--jp-ui-font-color1, currentColor);
--pst-color-background: var(--jp-layout-color0, Canvas); --pst-color-primary: var(--jp-brand-color1, #1056c0);
--qt-grid: rgba(127, 127, 127, 0.25); --qt-soft: rgba(127, 127, 160, 0.1); }"""

MARKUP = """<figure class="qt-steer" id="{me}">
<p class="qt-waiting">This figure needs JavaScript; one number from it stands below.</p>
<div class="qt-steer-body" hidden>
<div class="qt-controls">
<div class="qt-control"><label for="{me}-state">initial state</label>
<select id="{me}-state" data-steer="state" {quiet}>{states}</select></div>
<div class="qt-control"><label for="{me}-start">start from</label>
<select id="{me}-start" data-steer="start" {quiet}><option value="-1" hidden>your own</option>{presets}</select></div>
<div class="qt-control"><button type="button" data-steer="smooth">smooth</button>
<button type="button" data-steer="clear">clear</button></div>
</div>
<svg data-panel="u" role="img"></svg>
<div class="qt-controls">
<div class="qt-control"><label for="{me}-step">time step</label>
<input type="range" id="{me}-step" data-steer="step" min="1" max="{steps}" value="1" {quiet}>
<output for="{me}-step"></output></div>
<div class="qt-control"><label for="{me}-value">u at this step</label>
<input type="range" id="{me}-value" data-steer="value" min="-{limit}" max="{limit}" step="{fine}" value="0" {quiet}>
<output for="{me}-value"></output></div>
</div>
<div class="qt-steer-pair"><svg data-panel="overlap" role="img"></svg><svg data-panel="density" role="img"></svg></div>
<div class="qt-controls">
<div class="qt-control"><label for="{me}-shown">show the state after step</label>
<input type="range" id="{me}-shown" data-steer="shown" min="0" max="{steps}" value="{steps}" {quiet}>
<output for="{me}-shown"></output></div>
</div>
</div>
<figcaption class="qt-alt" aria-live="polite">{alt}</figcaption>
<script type="application/json" class="qt-steer-data">{data}</script>
</figure>"""
