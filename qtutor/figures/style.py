"""How every figure of the book looks: one colour, dash and marker per gradient, panels that can be stacked."""

import numpy as np
import plotly.graph_objects as go

COLOUR = {"S": "#2f7de1", "L2": "#e0453a", "M": "#17954c"}
DASH = {"S": "solid", "L2": "dash", "M": "dot"}
MARKER = {"S": "circle", "L2": "square", "M": "diamond"}
NAME = {"S": "S, standard", "L2": "L2, mean squared error", "M": "M, modified"}
INK = "#7f7f7f"  # legible on light and dark pages
OTHER = ("#b0671c", "#8a63d2", "#0f8f9c", "#c2458f")  # gradients of the reader's own, and other things
OTHER_DASH = ("dashdot", "longdash", "longdashdot", "dot")
GRID = {"gridcolor": "rgba(128,128,128,0.22)", "zeroline": False, "linecolor": INK, "ticks": "outside",
        "tickcolor": INK, "automargin": False}


def style(gradient, others=()):
    """Return (colour, dash, marker) of a gradient; names outside S, L2, M get the next of the spare ones."""
    if gradient in COLOUR:
        return COLOUR[gradient], DASH[gradient], MARKER[gradient]
    spare = [other for other in others if other not in COLOUR]
    place = spare.index(gradient) if gradient in spare else 0
    return OTHER[place % len(OTHER)], OTHER_DASH[place % len(OTHER_DASH)], "cross"


def curve(x, y, colour=INK, width=2.5, dash="solid", **kwargs):
    """Return a line; without a colour it is neutral and stays out of the legend."""
    quiet = {"showlegend": False, "hoverinfo": "skip"} if colour == INK and "name" not in kwargs else {}
    return {"type": "scatter", "x": np.asarray(x), "y": np.asarray(y), "mode": "lines", **quiet,
            "line": {"color": colour, "width": width, "dash": dash, "simplify": False}, **kwargs}


def line(x, y, gradient, others=(), width=2.5, **kwargs):
    """Return a curve in the style of a gradient, with a few of its markers on it."""
    colour, dash, marker = style(gradient, others)
    look = {"name": NAME.get(gradient, gradient), "legendgroup": gradient, "mode": "lines+markers",
            "marker": {"color": colour, "symbol": marker, "size": 7, "maxdisplayed": 6}}
    return curve(x, y, colour, width, dash, **{**look, **kwargs})


def dots(x, y, gradient, size=9, others=(), **kwargs):
    """Return markers in the style of a gradient, out of the legend."""
    colour, _, marker = style(gradient, others)
    return {"type": "scatter", "x": np.asarray(x), "y": np.asarray(y), "mode": "markers", "showlegend": False,
            "legendgroup": gradient, "name": NAME.get(gradient, gradient),
            "marker": {"color": colour, "symbol": marker, "size": size}, **kwargs}


class Panels:
    """A figure of titled panels: `add` traces to panel 1, 2, …, set its axes by `x` and `y`, end with `finish`.

    Plain dictionaries until the end: a page holds hundreds of figures, and Plotly's own builders take
    a tenth of a second each.
    """

    def __init__(self, *titles, columns=None, height=380):
        columns = columns or len(titles)
        rows = -(-len(titles) // columns)
        across, down = 0.13, 0.19  # gaps, as shares of the figure
        wide, tall = (1 - across * (columns - 1)) / columns, (1 - down * (rows - 1)) / rows
        self.traces, notes = [], []
        self.layout = {
            "height": height, "margin": {"l": 58, "r": 14, "t": 78, "b": 52}, "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)", "font": {"color": "#757575", "size": 13}, "dragmode": False,
            "hovermode": "closest", "annotations": notes, "meta": {"panels": len(titles), "columns": columns},
            "legend": {"orientation": "h", "x": 0, "y": 1, "yref": "container", "yanchor": "top", "xanchor": "left"}}
        for number, title in enumerate(titles):
            row, column = divmod(number, columns)
            left, top = column * (wide + across), 1 - row * (tall + down)
            n = self._axis(number + 1)
            self.layout[f"xaxis{n}"] = {**GRID, "domain": [left, left + wide], "anchor": f"y{n}"}
            self.layout[f"yaxis{n}"] = {**GRID, "domain": [max(top - tall, 0), top], "anchor": f"x{n}"}
            notes.append({"text": title, "xref": f"x{n} domain", "yref": f"y{n} domain", "x": 0, "y": 1,
                          "yshift": 5, "xanchor": "left", "yanchor": "bottom", "showarrow": False,
                          "font": {"size": 14}})

    @staticmethod
    def _axis(panel):
        return "" if panel == 1 else panel

    def add(self, panel, *traces):
        """Draw traces in a panel."""
        n = self._axis(panel)
        self.traces += [{**trace, "xaxis": f"x{n}", "yaxis": f"y{n}"} for trace in traces]

    def note(self, panel, text, x, y, **kwargs):
        """Write a word into a panel, at data coordinates."""
        n = self._axis(panel)
        self.layout["annotations"].append({"text": text, "x": x, "y": y, "xref": f"x{n}", "yref": f"y{n}",
                                           "showarrow": False, **kwargs})

    def x(self, panel, title, **settings):
        """Name and set the horizontal axis of a panel."""
        self.layout[f"xaxis{self._axis(panel)}"].update(title={"text": title, "standoff": 8}, **settings)

    def y(self, panel, title, **settings):
        """Name and set the vertical axis of a panel."""
        self.layout[f"yaxis{self._axis(panel)}"].update(title={"text": title, "standoff": 8}, **settings)

    def circle(self, panel):
        """Draw the upper half of the unit circle and the target w, both axes to the same scale."""
        angle = np.linspace(0, np.pi, 61)
        arrow = {"symbol": "arrow", "size": 14, "angleref": "previous", "color": INK}
        self.add(panel, curve(np.cos(angle), np.sin(angle), width=1.2),
                 curve([0, 1], [0, 0], width=3, mode="lines+markers", marker=arrow))
        self.note(panel, "w", 1, 0, xshift=14, yshift=10)
        self.x(panel, "x", range=[-1.25, 1.25])
        self.y(panel, "y", range=[-0.12, 1.3], constrain="domain", constraintoward="top",
               scaleanchor=f"x{self._axis(panel)}")

    def finish(self, alt):
        """Return the Plotly figure with its text alternative: in words and with the numbers it shows."""
        self.layout["meta"]["alt"] = alt
        return go.Figure(data=self.traces, layout=self.layout)
