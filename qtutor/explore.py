"""Any figure with controls, from one Python function: live in a kernel, precomputed in the built book."""

import math
import os
from numbers import Real

LABELS = {
    "theta0": "initial angle θ₀", "theta": "angle θ", "step": "step size η", "alpha": "exponent α",
    "phi": "global phase φ", "phase": "global phase φ", "delta": "distance from the top δ",
    "dt": "time step Δt", "match": "match step sizes", "n": "eigenstate n", "level": "eigenstate n",
    "time": "time t", "points": "grid points", "target": "final state", "seed": "random seed",
}  # fmt: skip


def explore(figure, *, start=None, labels=None, **controls):
    """Show `figure(**values)` with a control per name: numbers: slider; texts: choice; booleans: switch.

    `figure` returns a plotly Figure whose `layout.meta["alt"]` says in words what it shows; without controls
    it may be the Figure itself. `start` and `labels` give the initial values and the visible names. A
    slider whose name starts with `time_` gets a play button. Returns
    ipywidgets in a kernel; while the book is built (QTUTOR_STATIC=1), a page element with all figures inside.
    """
    import plotly.graph_objects as go  # takes a while, and training needs none of it

    controls = {name: _Control(name, values, labels or {}, start or {}) for name, values in controls.items()}
    for name in [*(start or {}), *(labels or {})]:
        if name not in controls:
            raise ValueError(f"no control {name!r}; the controls are {', '.join(controls) or '(none)'}")
    if isinstance(figure, go.Figure) and controls:
        raise TypeError("a ready figure cannot follow controls; pass a function that returns the figure")

    def draw(values):
        return _checked(figure if isinstance(figure, go.Figure) else figure(**values))

    if os.environ.get("QTUTOR_STATIC") == "1":
        from ._page import Page as show
    else:
        from ._live import live as show
    return show(draw, list(controls.values()))


class _Control:
    """One name, its values, and how they are written."""

    def __init__(self, name, values, labels, start):
        if isinstance(values, str):
            raise ValueError(f"control {name!r} needs a list of values: [{values!r}, …], not a single text")
        self.name, self.values = name, [v.item() if hasattr(v, "item") else v for v in values]
        self.label = labels.get(name, LABELS.get(name, name.replace("_", " ")))
        if not self.values:
            raise ValueError(f"control {name!r} has no values; give it a list such as [0.5, 1.0]")
        if len(set(self.values)) < len(self.values):
            raise ValueError(f"control {name!r} lists a value twice; each value once, please")
        first = self.values[0]
        if all(isinstance(v, bool) for v in self.values):
            self.kind, self.values = "switch", [False, True]
        elif all(isinstance(v, str) for v in self.values):
            self.kind = "radio" if len(self.values) <= 4 else "select"
        elif all(isinstance(v, Real) and math.isfinite(v) and not isinstance(v, bool) for v in self.values):
            self.kind = "slider"
        else:
            raise ValueError(f"control {name!r} needs finite numbers, texts, or [False, True], not a mixture")
        self.texts = _texts(self.values)
        self.plays = self.kind == "slider" and name.startswith("time_")  # a film, not only a slider
        self.start = self._place(start.get(name, first))

    def _place(self, value):
        for i, v in enumerate(self.values):
            if v == value or (self.kind == "slider" and isinstance(value, Real) and math.isclose(v, value)):
                return i
        known = ", ".join(self.texts)
        raise ValueError(f"start value {value!r} of {self.name!r} is not one of its values: {known}")


def _texts(values):
    """Values as written beside a control: four significant digits, more where two would look the same."""
    for digits in range(4, 18):
        texts = [_text(v, digits) for v in values]
        if len(set(texts)) == len(texts):
            break
    return texts


def _text(value, digits=4):
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, str):
        return value
    mantissa, _, exponent = f"{value:.{digits}g}".partition("e")
    return (mantissa + (f"e{int(exponent)}" if exponent else "")).replace("-", "−")


def _checked(figure):
    """The figure, if it is one and says in words what it shows."""
    if not hasattr(figure, "to_plotly_json"):
        raise TypeError(f"explore needs a plotly Figure, not {type(figure).__name__}")
    if not isinstance(figure.layout.meta, dict) or not figure.layout.meta.get("alt"):
        raise ValueError(
            "the figure has no text alternative; say in words what it shows, with numbers from its data: "
            'figure.update_layout(meta={"alt": f"… falls from {first:.2f} to {last:.2f}"})'
        )
    return figure
