"""Figures of the toy example in the plane: the race, the landscape, Fig. 1, the size of the gradient."""

import numpy as np

from .. import toy
from .style import COLOUR, INK, NAME, Panels, curve, dots, line

GRADIENTS = ("S", "L2", "M")
TRAIL = {"S": 1.0, "L2": 0.95, "M": 0.9}  # radii at which the way so far is drawn, so that none hides another
ANGLE_TICKS = {"tickvals": np.pi / 4 * np.arange(5), "ticktext": ["0", "π/4", "π/2", "3π/4", "π"]}
LOSS = {"title": "loss L", "range": [-0.04, 1.06]}


def _arrival(path, below=toy.SUCCESS):
    needed = int(toy.steps_needed(path, below))
    if needed < 0:
        return f"more than {len(path) - 1} steps"
    return "1 step" if needed == 1 else f"{needed} steps"


def race(theta0=toy.THETA0, steps=20, longest=60):
    """Three arrows start at θ0; where they are after `steps` steps, and their losses (Fig. 1a)."""
    figure = Panels("The states after the same number of steps", "Their losses", height=370)
    figure.circle(1)
    words, count = [], np.arange(longest + 1)
    for name in GRADIENTS:
        path = toy.descend(name, theta0, steps=longest)
        loss, theta = toy.loss(path), path[steps]
        trail = np.linspace(theta0, theta, 9)
        radius = TRAIL[name]
        figure.add(1, curve(radius * np.cos(trail), radius * np.sin(trail), COLOUR[name], 3, showlegend=False),
                   line([0, np.cos(theta)], [0, np.sin(theta)], name, mode="lines", showlegend=False),
                   dots(np.cos([theta]), np.sin([theta]), name, 13))
        figure.add(2, line(count, loss, name), dots([steps], [loss[steps]], name, 12))
        words.append(f"{NAME[name]}: loss {loss[steps]:.2g}, needs {_arrival(path)} to reach {toy.SUCCESS}")
    figure.x(2, "step", range=[-1, longest + 1])
    figure.y(2, **LOSS)
    return figure.finish(f"Start at θ₀ = {theta0:.4g}, after {steps} steps. " + ". ".join(words) + ".")


def landscape(theta0=toy.THETA0, step=toy.STEP, names=("S",), longest=120, match=False):
    """The loss L(θ) with the points of each descent on it, and the loss against steps (Fig. 1a, b)."""
    figure = Panels("The landscape L(θ) and the steps on it", "Loss against steps", height=380)
    angle = np.linspace(0, np.pi, 91)
    figure.add(1, curve(angle, toy.loss(angle), width=2, hoverinfo="x", meta={"sets": "theta0"}))
    words, count = [], np.arange(longest + 1)
    for name in names:
        path = toy.descend(name, theta0, step, longest, match)
        loss = toy.loss(path)
        figure.add(1, dots(path, loss, name, 7, opacity=0.8, meta={"sets": "theta0"}),
                   dots(path[:1], loss[:1], name, 14, meta={"sets": "theta0"}))
        figure.add(2, line(count, loss, name))
        climb = f", climbs to {loss.max():.2f} first" if loss.max() > loss[0] + 1e-6 else ""
        words.append(f"{NAME[name]}: first step {abs(path[1] - path[0]):.2g}, "
                     f"{_arrival(path)} to L < {toy.SUCCESS}{climb}")
    figure.x(1, "angle θ", range=[-0.1, np.pi + 0.1], **ANGLE_TICKS)
    figure.y(1, **LOSS)
    figure.x(2, "step", range=[-1, longest + 1])
    figure.y(2, **LOSS)
    return figure.finish(f"Start at θ₀ = {theta0:.4g} with L = {toy.loss(theta0):.3g}, step size η = {step:.3g}. "
                         + ". ".join(words) + ".")


def figure1(theta0=toy.THETA0, step=toy.STEP, match=False, longest=60):
    """Fig. 1 of the paper: a) the loss curves, b)–d) the states in the x-y plane, one panel per gradient."""
    titles = (f"{letter}) {NAME[name]}" for letter, name in zip("bcd", GRADIENTS, strict=True))
    figure = Panels("a) loss curves", *titles, columns=2, height=640)
    words = []
    for panel, name in enumerate(GRADIENTS, start=2):
        path = toy.descend(name, theta0, step, longest, match)
        loss = toy.loss(path)
        figure.add(1, line(np.arange(longest + 1), loss, name))
        figure.circle(panel)
        figure.add(panel, dots(np.cos(path), np.sin(path), name, 8, opacity=0.75))
        climb = f", climbs to {loss.max():.2f} first" if loss.max() > loss[0] + 1e-6 else ""
        end = "−w" if path[1] > path[0] else "w"
        words.append(f"{NAME[name]}: {_arrival(path)} to L < {toy.SUCCESS}{climb}, heads for {end}")
    figure.x(1, "step", range=[-1, longest + 1])
    figure.y(1, **LOSS)
    speed = ", all steps of the same length" if match else ""
    return figure.finish(f"θ₀ = {theta0:.4g}, step size {step:.3g}{speed}. " + ". ".join(words) + ".")


def plane_path(name, theta0=toy.THETA0, step=toy.STEP, longest=60):
    """One panel of Fig. 1b–d: every step of one descent as a dot in the x-y plane."""
    figure = Panels(f"{NAME[name]}: every dot is one step", height=400)
    figure.circle(1)
    path = toy.descend(name, theta0, step, longest)
    figure.add(1, dots(np.cos(path), np.sin(path), name, 9, opacity=0.75))
    moved = int((np.abs(path - theta0) > 0.1).argmax())
    return figure.finish(f"The descent with {NAME[name]} from θ₀ = {theta0:.4g}, step size {step:.3g}: after {moved} "
                         f"steps it has moved by 0.1, and it takes {_arrival(path)} to L < {toy.SUCCESS}.")


def plateau(delta, steps, slope, intercept, predicted):
    """Measured escape times against ln(1/δ), with the fitted line and the predicted slope."""
    figure = Panels("Steps that S needs to leave the top", height=360)
    logs = np.log(1 / np.asarray(delta))
    figure.add(1, dots(logs, steps, "S", 10, showlegend=True, name="measured"),
               curve(logs, slope * logs + intercept, width=2, name=f"fit: {slope:.2f} ln(1/δ) {intercept:+.2f}"))
    figure.x(1, "ln(1/δ), δ = distance from π/2")
    figure.y(1, "steps until L < 1/2", rangemode="tozero")
    return figure.finish(f"{len(logs)} measured escape times lie on a straight line of slope {slope:.2f} "
                         f"against ln(1/δ); the law predicts {predicted:.2f}.")


def gradient_size(alpha=0.5, overlap=0.1, step=0.05, longest=60):
    """The size of ∇L/(1 − L)^α against the overlap c = |⟨ψ₁, ψ₂⟩|, and the descent from one overlap."""
    figure = Panels("How large the gradient is", "How the loss falls from there", height=400)
    c = np.concatenate([np.geomspace(0.001, 0.1, 25), np.linspace(0.12, 1, 45)])
    count, start = np.arange(longest + 1), np.arccos(overlap)
    family = [line([], [], "S"), line([], [], "M"), curve([], [], INK, 4, "dashdot", name=f"α = {alpha:g}")]
    for look, exponent in zip(family, (0.0, 0.5, alpha), strict=True):
        size = np.minimum(toy.scaled(np.arccos(c), exponent), 50)
        path = toy.descend(lambda theta, a=exponent: toy.scaled(theta, a), start, step, longest)
        figure.add(1, {**look, "x": c, "y": size})
        figure.add(2, {**look, "x": count, "y": toy.loss(path), "showlegend": False})
    here, standard, modified = (toy.scaled(start, a) for a in (alpha, 0.0, 0.5))
    figure.add(1, curve([overlap], [min(here, 4.1)], mode="markers", marker={"size": 13, "color": INK}))
    figure.x(1, "overlap c = √(1 − L)", range=[-0.02, 1.02])
    figure.y(1, "|∇L| / (1 − L)^α", range=[-0.15, 4.2])
    figure.x(2, f"step, η = {step:g}", range=[-1, longest + 1])
    figure.y(2, **LOSS)
    return figure.finish(f"At overlap {overlap:g} the gradient with α = {alpha:g} has size {here:.3g}; "
                         f"S has {standard:.3g}, M has {modified:.3g}. "
                         f"The first step turns the state by {step * here:.2g} rad. "
                         f"From there α = {alpha:g} needs {_arrival(path)} to L < {toy.SUCCESS}.")
