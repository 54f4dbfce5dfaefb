"""A figure with controls in a kernel: ipywidgets and a FigureWidget that follow one another."""

import json
from html import escape

import plotly.graph_objects as go
import plotly.io as pio

from ._pack import leaves, plain, same_traces

# plotly's own template paints a pale blue panel; this one fits a light and a dark notebook
GREY = {"gridcolor": "rgba(127,127,127,0.25)", "zerolinecolor": "rgba(127,127,127,0.5)", "automargin": True}
TEMPLATE = {
    "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "font": {"color": "#7f7f7f"},
    "xaxis": GREY, "yaxis": GREY, "margin": {"l": 60, "r": 20, "t": 40, "b": 50}, "hovermode": "closest",
}  # fmt: skip


def live(draw, controls):
    """A VBox of controls, FigureWidget and caption that follow one another."""
    try:
        import anywidget  # noqa: F401  (FigureWidget needs it)
        import ipywidgets as w
    except ImportError as error:
        raise ImportError("live figures need two packages: pip install ipywidgets anywidget") from error
    try:
        from google.colab import output

        output.enable_custom_widget_manager()
    except ImportError:
        pass

    def widget(c):
        options = list(zip(c.texts, c.values))
        about = {"description": c.label, "style": {"description_width": "initial"}}
        if c.kind == "switch":
            return w.Checkbox(value=c.values[c.start], indent=False, **about)
        kind = {"slider": w.SelectionSlider, "radio": w.RadioButtons}.get(c.kind, w.Dropdown)
        wide = {"layout": {"width": "min(100%, 36em)"}} if c.kind == "slider" else {}
        return kind(options=options, value=c.values[c.start], **about, **wide)

    widgets = {c.name: widget(c) for c in controls}

    def current():
        return draw({name: control.value for name, control in widgets.items()})

    shown = go.FigureWidget(current())
    if shown.layout.template == pio.templates["plotly"]:
        shown.layout.template = {"layout": TEMPLATE}
    caption = w.HTML(escape(shown.layout.meta["alt"]))

    def follow(_change):
        new = current()
        same_traces(len(shown.data), len(new.data))
        with shown.batch_update():
            for old, fresh in [*zip(shown.data, new.data), (shown.layout, new.layout)]:
                _carry_over(old, fresh)
        caption.value = escape(new.layout.meta["alt"])

    def set_by_click(control):
        def clicked(_trace, points, _state):
            if points.xs:
                control.value = min((v for _, v in control.options), key=lambda v: abs(v - points.xs[0]))

        return clicked

    for trace in shown.data:
        target = trace.meta.get("sets") if isinstance(trace.meta, dict) else None
        if target in widgets:
            trace.on_click(set_by_click(widgets[target]))
    for control in widgets.values():
        control.observe(follow, "value")
    films = [w.Play(max=len(c.values) - 1, interval=300, description=c.label) for c in controls if c.plays]
    for film, slider in zip(films, (widgets[c.name] for c in controls if c.plays)):
        w.jslink((film, "value"), (slider, "index"))
    box = w.VBox([*widgets.values(), *films, shown, caption])
    box.controls, box.figure, box.caption = widgets, shown, caption
    return box


def _carry_over(old, fresh):
    """Make `old` equal to `fresh`, touching only what differs."""
    old.meta = fresh.meta
    for path, (was, now) in leaves([plain(old.to_plotly_json()), plain(fresh.to_plotly_json())]):
        if path[0] not in ("meta", "template", "type", "uid") and not _equal(was, now):
            name = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path)[1:]
            old[name] = fresh[name]


def _equal(a, b):
    return json.dumps(a, default=lambda v: v.tolist()) == json.dumps(b, default=lambda v: v.tolist())
