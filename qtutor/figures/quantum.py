"""Figures of quantum states and of the simulator: the phase dial, eigenstates, the wave packet, convergence."""

import numpy as np

from ..states import eigenstate
from .style import INK, OTHER, Panels, curve, dots, line

SECOND, FIRST, THIRD, FOURTH = OTHER  # states are not gradients: they have colours of their own
LOOKS = ((FIRST, "solid", "circle"), (SECOND, "dash", "square"), (THIRD, "dot", "diamond"),
         (FOURTH, "dashdot", "cross"), ("#857a00", "longdash", "x"))


def _walls(box, values):
    """Grid points and values with the two walls added, where every state is zero."""
    x = np.concatenate([[0], np.asarray(box.x) + box.origin, [box.length]])
    return x, np.concatenate([[0], np.asarray(values), [0]])


def _pointed(x, y, look, **kwargs):
    """A line with markers on the values that are known."""
    colour, dash, symbol = look
    marker = {"size": 6, "color": colour, "symbol": symbol}
    return curve(x, y, colour, dash=dash, mode="lines+markers", marker=marker, **kwargs)


def phase_dial(box, first, second, phi, name="second state"):
    """Two states, the second turned by e^{iφ}: their real parts; quantum loss and squared error against φ."""
    first, second = np.asarray(first), np.asarray(second)
    figure = Panels("Real parts of ψ₁ and e<sup>iφ</sup>ψ₂", "What the two losses say", height=390)
    figure.add(1, _pointed(*_walls(box, first.real), LOOKS[0], name="ψ₁"),
               _pointed(*_walls(box, (np.exp(1j * phi) * second).real), LOOKS[1], name="ψ₂, turned by φ"))
    turn, overlap = np.linspace(0, 2 * np.pi, 61), np.vdot(first, second)
    loss, error = 1 - abs(overlap) ** 2, 1 - (np.exp(1j * turn) * overlap).real
    now = 1 - (np.exp(1j * phi) * overlap).real
    figure.add(2, curve(turn, np.full_like(turn, loss), width=3, name="quantum loss L"),
               line(turn, error, "L2", name="½ squared error"),
               curve([phi], [loss], mode="markers", marker={"size": 13, "color": INK}), dots([phi], [now], "L2", 13))
    figure.x(1, "x")
    figure.y(1, "Re ψ", range=[-0.55, 0.55])
    figure.x(2, "phase φ", tickvals=np.pi * np.arange(0, 2.5, 0.5), ticktext=["0", "π/2", "π", "3π/2", "2π"])
    figure.y(2, "loss", range=[-0.1, 2.1])
    return figure.finish(f"ψ₂: {name}, turned by φ = {phi:.2f}. The quantum loss is {loss:.3f} at every φ; half "
                         f"the squared error is {now:.3f} here and runs from {error.min():.3f} to {error.max():.3f}.")


def eigenstates(box, n, psi, energy):
    """Eigenstate n of the box: its values on the grid, and the probability to be found there."""
    figure = Panels(f"Eigenstate {n}", "Probability |ψ|²", height=330)
    x, y = _walls(box, np.asarray(psi).real)
    figure.add(1, _pointed(x, y, LOOKS[0], showlegend=False))
    figure.add(2, {"type": "bar", "x": x, "y": y**2, "showlegend": False, "marker": {"color": FIRST}})
    figure.x(1, "x")
    figure.y(1, "Re ψ", range=[-0.34, 0.34])
    figure.x(2, "x")
    figure.y(2, "|ψ|²", range=[0, 0.11])
    signs = int((np.diff(np.sign(y[1:-1])) != 0).sum())
    return figure.finish(f"Eigenstate {n} changes sign {signs} times inside the box and has energy {energy:.4g}. "
                         f"The bars add up to {(y**2).sum():.3f}.")


def wave_packet(box, time, density, label, norm=True):
    """The probability |ψ|² over x and t as a picture, and the norm ‖ψ‖ against t; density is (times, N)."""
    time, density = np.asarray(time), np.asarray(density)
    sizes, titles = np.sqrt(density.sum(1)), ("Probability |ψ|², up to 0.3", "Norm ‖ψ‖, from 10⁻³ to 10³")
    figure = Panels(*titles[: 1 + norm], height=400)
    violet = [[0, "rgba(138,99,210,0)"], [1, "rgba(138,99,210,1)"]]
    figure.add(1, {"type": "heatmap", "x": np.asarray(box.x) + box.origin, "y": time, "z": np.clip(density, 0, 0.3),
                   "zmin": 0, "zmax": 0.3, "showscale": False, "hoverinfo": "skip", "colorscale": violet})
    figure.x(1, "x", range=[0, box.length])
    figure.y(1, "time t")
    if not norm:
        place = density @ (np.asarray(box.x) + box.origin)
        return figure.finish(f"{label}, {len(time)} times: the mean position moves between x = {place.min():.2f} "
                             f"and x = {place.max():.2f}.")
    figure.add(2, curve(time, np.ones_like(time), width=1.2),
               _pointed(time, np.clip(sizes, 1e-3, 1e3), LOOKS[0], showlegend=False))
    figure.x(2, "time t")
    figure.y(2, "norm ‖ψ‖", type="log", range=[-3.1, 3.1], dtick=1, exponentformat="power")
    drift = abs(sizes[-1] - 1)
    end = f"{sizes[-1]:.2g}" if drift > 1e-3 else f"1, to {max(drift, 1e-16):.0e}"
    return figure.finish(f"{label}. After {len(time) - 1} steps, at t = {time[-1]:.3g}, the norm is {end}.")


def convergence(dt, errors, marked=0.2):
    """The error of the final state against Δt, one curve per initial state, with the slope of order 2."""
    figure, dt = Panels("Error ‖ψ − exact‖ at the final time against Δt", height=390), np.asarray(dt)
    for look, (label, values) in zip(LOOKS, errors.items(), strict=False):
        figure.add(1, _pointed(dt, values, look, name=label))
    lowest = np.asarray(next(iter(errors.values())))
    guide = lowest[dt.argmin()] * (dt / dt.min()) ** 2 / 3
    figure.add(1, curve(dt, guide, width=1.5, dash="longdash", name="slope 2"),
               curve([marked, marked], [guide.min(), 2], width=1.2, dash="dot", name=f"Δt = {marked:g}"))
    figure.x(1, "time step Δt", type="log", exponentformat="power", dtick=1)
    figure.y(1, "error", type="log", exponentformat="power", dtick=1)
    near = int(np.abs(dt - marked).argmin())
    words = "; ".join(f"{label}: {values[near]:.2g}" for label, values in errors.items())
    return figure.finish(f"Error at Δt = {dt[near]:.2g} – {words}. For small Δt every curve falls with slope 2.")


def steering(box, path, target, u, step, dt=0.2, shown=5):
    """A steered state at one step: density, populations, fidelity and control; path is (T + 1, N)."""
    path, target, u = np.asarray(path), np.asarray(target), np.asarray(u)
    figure = Panels("Probability |ψ|²", "Population of each eigenstate", "Fidelity with the target", "Control u(t)",
                    columns=2, height=620)
    x, time = np.asarray(box.x) + box.origin, dt * np.arange(len(path))
    figure.add(1, {"type": "bar", "x": x, "y": np.abs(path[step]) ** 2, "name": "state", "marker": {"color": FIRST}},
               curve(x, np.abs(target) ** 2, width=2, dash="dash", name="target"))
    states = [np.asarray(eigenstate(box, n)) for n in range(1, shown + 1)]
    share = np.abs(path @ np.conj(np.array(states)).T) ** 2
    for look, n, column in zip(LOOKS, range(1, shown + 1), share.T, strict=False):
        figure.add(2, curve(time, column, look[0], dash=look[1], name=f"φ{n}"))
    reached = np.abs(path @ np.conj(target)) ** 2
    stairs = {"line": {"color": FIRST, "width": 2, "shape": "hv"}}
    figure.add(3, curve(time, reached, FIRST, showlegend=False))
    figure.add(4, curve(time, np.append(u, u[-1]), FIRST, showlegend=False, **stairs))
    now = [time[step], time[step]]
    for panel, ends in ((2, [0, 1]), (3, [0, 1]), (4, [u.min(), u.max()])):
        figure.add(panel, curve(now, ends, width=1.5, dash="dot"))
    figure.x(1, "x")
    figure.y(1, "|ψ|²", range=[0, 0.32])
    figure.x(2, "time t")
    figure.y(2, "|⟨φₙ, ψ⟩|²", range=[-0.03, 1.03])
    figure.x(3, "time t")
    figure.y(3, "|⟨target, ψ⟩|²", range=[-0.03, 1.03])
    figure.x(4, "time t", range=[0, time[-1]])
    figure.y(4, "u")
    parts = ", ".join(f"φ{n} {value:.3f}" for n, value in enumerate(share[step], start=1))
    return figure.finish(f"After {step} of {len(u)} steps the fidelity with the target is {reached[step]:.3f}. "
                         f"Populations: {parts}.")
