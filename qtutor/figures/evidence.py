"""The evidence of chapter 8: ratios with their intervals, against epochs, difficulty, exponent and choices."""

import math

import numpy as np

from .style import COLOUR, INK, Panels, curve, dots, line

TICKS = [0.0001, 0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500]


def _log(ratios, top=1.5):
    """An axis for ratios: logarithmic, with plain numbers, and 1 never at the rim."""
    ends = [value for one in ratios for part in (one.value, one.low, one.high) for value in part if np.isfinite(value)]
    low, high = min([1 / top, *ends]), max([top, *ends])
    low, high = max(low, 5e-5), min(high, 700)
    words = [f"{tick:g}" for tick in TICKS]
    if high > 3000 * low:  # there is room for the powers of ten only
        words = [word if word.strip("0.") == "1" else "" for word in words]
    return {"type": "log", "range": [math.log10(low) - 0.05, math.log10(high) + 0.05], "tickvals": TICKS,
            "ticktext": words}


def ratio_curves(ratios, title, asked=None):
    """Ratios of losses against epochs, each with its 95 % band; `ratios` maps "S/M" to a Ratio.

    `asked` (first, last) marks the epochs for which the paper makes its claim.
    """
    figure, words = Panels(title, height=400), []
    epochs = next(iter(ratios.values())).epochs
    for label, one in ratios.items():
        name = label.split("/")[0]
        known = np.isfinite(one.low)
        band = np.concatenate([epochs[known], epochs[known][::-1]])
        edge = np.concatenate([one.low[known], one.high[known][::-1]])
        figure.add(1, curve(band, edge, COLOUR[name], 0, fill="toself", opacity=0.2, showlegend=False,
                            hoverinfo="skip"),
                   line(epochs, one.value, name, name=label))
        shown = [epoch for epoch in (5, 60, 120, 300) if epoch in epochs]
        words.append(f"{label} at " + ", ".join(f"epoch {epoch}: {one.text(epoch)}" for epoch in shown))
    figure.add(1, curve([epochs[0], epochs[-1]], [1, 1], width=1.2))
    if asked:
        figure.layout["shapes"] = [{"type": "rect", "xref": "x", "yref": "y domain", "x0": asked[0], "x1": asked[1],
                                    "y0": 0, "y1": 0.02, "fillcolor": INK, "line": {"width": 0}}]
    ticks = [1, 2, 5, 10, 20, 50, 100, 200, 300]
    figure.x(1, "epoch", type="log", tickvals=ticks, ticktext=[str(tick) for tick in ticks],
             range=[-0.03, math.log10(epochs[-1]) + 0.03])
    figure.y(1, "ratio of the losses", **_log(ratios.values()))
    return figure.finish("Ratio of the losses, 95 % interval in brackets. " + "; ".join(words)
                         + ". Above 1, M is better.")


def dial(share, ratios, losses, below):
    """The difficulty dial: S/M against the share of samples that start below an overlap, and the final losses.

    All three map a final state to its share, its Ratio S/M at the end, and {gradient: mean final loss}.
    """
    figure = Panels("How much worse S ends than M", "Where each gradient ends", height=400)
    states = sorted(share)
    for n in states:
        value, low, high = ratios[n].at()
        bar = {"type": "data", "symmetric": False, "array": [high - value], "arrayminus": [value - low]}
        figure.add(1, dots([share[n]], [value], "S", 10, error_y=bar))
        figure.note(1, str(n), share[n], math.log10(value), xshift=14, yshift=10, font={"size": 14})
    figure.add(1, curve([-0.1, 1.1], [1, 1], width=1.2))
    for name in ("S", "L2", "M"):
        figure.add(2, line(states, [losses[n][name] for n in states], name))
    figure.x(1, f"share of samples starting below overlap {below:g}", range=[-0.06, 1.12])
    figure.y(1, "S/M", **_log(ratios.values()))
    figure.x(2, "final state", tickvals=states)
    figure.y(2, "quantum loss at the end", type="log", dtick=1, exponentformat="power")
    return figure.finish(f"Overlap below {below:g} at the start, and S/M at the end: " + "; ".join(
        f"final state {n}: {share[n]:.0%} of the samples, {ratios[n].text()}" for n in states) + ".")


def exponents(family, others, label):
    """Loss against the exponent α relative to M; `family` maps α to a Ratio at one epoch, `others` a name to one."""
    figure = Panels("Size of a sample's gradient", f"Loss relative to M, {label}", height=390)
    overlap = np.linspace(0.004, 1, 250)
    shades = {0.0: COLOUR["S"], 0.25: "#0f8f9c", 0.5: COLOUR["M"], 0.75: "#b0671c", 1.0: "#8a63d2"}
    for (alpha, colour), dash in zip(shades.items(), ("solid", "dash", "dot", "dashdot", "longdash")):
        size = 2 * np.sqrt(1 - overlap**2) * overlap ** (1 - 2 * alpha)
        figure.add(1, curve(overlap, size, colour, 2.5, dash, name=f"α = {alpha:g}"))
    for place, (key, one) in enumerate({**family, **others}.items()):
        value, low, high = one.at() if one else (1.0, 1.0, 1.0)
        colour = shades.get(key, INK)
        where = key if key in shades else 1.25 + 0.25 * (place - len(family))
        bar = {"type": "data", "symmetric": False, "array": [high - value], "arrayminus": [value - low]}
        figure.add(2, {"type": "scatter", "x": [where], "y": [value], "mode": "markers", "error_y": bar,
                       "marker": {"color": colour, "size": 11}, "showlegend": False, "name": str(key)})
    figure.add(2, curve([-0.15, 1.4], [1, 1], width=1.2))
    figure.x(1, "overlap with the target", range=[-0.02, 1.03])
    figure.y(1, "size of the gradient", range=[-0.05, 4])
    marks = [*family, *(1.25 + 0.25 * n for n in range(len(others)))]
    figure.x(2, "exponent α", tickvals=marks, ticktext=[f"{a:g}" for a in family] + list(others), range=[-0.15, 1.4])
    figure.y(2, "loss relative to M", **_log([one for one in {**family, **others}.values() if one]))
    shown = [f"{'α = ' if key in family else ''}{key}: {one.text() if one else '1'}"
             for key, one in {**family, **others}.items()]
    return figure.finish(f"Loss relative to α = 0.5, {label}, 95 % interval in brackets – " + "; ".join(shown) + ".")


def sensitivity(rows, title, pair):
    """One line per choice: the ratio with its interval, sorted by how far it lies from the default's (first row)."""
    default, name = next(iter(rows)), pair.split("/")[0]
    home = math.log(rows[default].at()[0])

    def moved(label):
        value = rows[label].at()[0]
        return abs(math.log(value) - home) if math.isfinite(value) else -1

    order = [default, *sorted((label for label in rows if label != default), key=moved, reverse=True)]
    figure, words = Panels(title, height=130 + 34 * len(order)), []
    figure.layout["meta"]["tall"] = 34 * len(order)  # on a narrow page, too, a row needs its height
    value, low, high = np.array([rows[label].at() for label in order]).T
    levels = np.arange(len(order), 0, -1)
    bar = {"type": "data", "symmetric": False, "array": high - value, "arrayminus": value - low}
    figure.add(1, dots(value, levels, name, 9, error_x=bar))
    for place, label in enumerate(order):
        figure.note(1, f"<b>{label}</b>" if place == 0 else label, 0, levels[place], xref="x domain", xanchor="left",
                    yshift=13, font={"size": 12})
        words.append(f"{label}: {rows[label].text()}")
    figure.add(1, curve([1, 1], [0.5, len(order) + 0.6], width=1.2))
    figure.add(1, curve([math.exp(home)] * 2, [0.5, len(order) + 0.6], COLOUR[name], 1.2, "dot", showlegend=False,
                        hoverinfo="skip"))
    figure.x(1, f"{pair} at the end", **_log(rows.values()))
    figure.y(1, "", visible=False, range=[0.4, len(order) + 0.9])
    return figure.finish(f"{pair} at the end with the 95 % interval, most moved first – " + "; ".join(words) + ".")


def draws(ratios, over, title):
    """Ratio at the end for each draw of the initial states: `ratios` maps a pair to Ratios, `over` to their mean."""
    figure, words = Panels(title, height=360), []
    for pair, found in ratios.items():
        name, values = pair.split("/")[0], [one.at()[0] for one in found]
        figure.add(1, dots(np.arange(1, len(values) + 1), values, name, 10, showlegend=True, name=pair))
        figure.add(1, curve([0.5, len(values) + 0.5], [over[pair].at()[0]] * 2, COLOUR[name], 1.5, "dot",
                            showlegend=False, hoverinfo="skip"))
        words.append(f"{pair}: from {min(values):.2f} to {max(values):.2f}, mean {over[pair].text()}")
    figure.add(1, curve([0.5, len(values) + 0.5], [1, 1], width=1.2))
    figure.x(1, "draw of the initial states", range=[0.5, len(values) + 0.5], dtick=1)
    figure.y(1, "ratio of the losses", **_log([one for found in ratios.values() for one in found]))
    return figure.finish("Over ten draws of the initial states – " + "; ".join(words) + ".")

