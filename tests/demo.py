"""A figure for the tests: two panels, gaps, a logarithmic axis, arrays and notes that come and go."""

import numpy as np
import plotly.graph_objects as go

CONTROLS = {"angle": [0.1, 0.5, 1.0, 1.5, 2.5], "shape": ["sine", "cosine"], "match": [False, True]}


def figure(angle=0.1, shape="sine", match=False):
    """A wave with a point on it; a decay over many decades; a picture."""
    x = np.linspace(0, 3, 40)
    y = getattr(np, {"sine": "sin", "cosine": "cos"}[shape])(x * (1 + angle))
    y[5] = np.nan
    decay = np.exp(-10 * angle * x)
    result = go.Figure()
    result.add_trace(go.Scatter(x=x, y=y, name="wave", meta={"sets": "angle"}))
    result.add_trace(go.Scatter(x=x[: int(10 * angle)], y=y[: int(10 * angle)], name="start", mode="markers"))
    result.add_trace(
        go.Scatter(x=np.arange(40), y=decay, name="decay", xaxis="x2", yaxis="y2", line={"color": "#7f7f7f"})
    )
    result.add_trace(
        go.Heatmap(z=np.outer(y, decay)[:12, :9] if match else np.zeros((12, 9)), xaxis="x3", yaxis="y3")
    )
    words = f"A {shape} stretched by {1 + angle:g}; the decay ends at {decay[-1]:.2g}."
    result.update_layout(
        xaxis={"domain": [0, 0.3], "title": {"text": f"x times {1 + angle:g}"}},
        xaxis2={"domain": [0.36, 0.64], "anchor": "y2"},
        xaxis3={"domain": [0.7, 1], "anchor": "y3"},
        yaxis2={"type": "log", "anchor": "x2"},
        yaxis3={"anchor": "x3"},
        annotations=[{"text": f"{angle:g}", "x": angle, "y": 0}] if angle > 0.4 else [],
        meta={"alt": words, "panels": 3, "columns": 3},
    )
    return result
