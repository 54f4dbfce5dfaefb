"""Fig. 2, the training curves of a History, and what the networks behind it do."""

import numpy as np

from .quantum import LOOKS
from .style import COLOUR, NAME, Panels, curve, dots, line


def smooth(curves, epochs):
    """Return the mean over the last `epochs` epochs at every epoch (fewer at the start), along the last axis."""
    total = np.cumsum(np.insert(np.asarray(curves, dtype=float), 0, 0, axis=-1), axis=-1)
    end = np.arange(1, total.shape[-1])
    start = np.maximum(end - epochs, 0)
    return (total[..., end] - total[..., start]) / (end - start)


def training_curves(history, smoothing=10, curves="training set", gradient="all", seed="all", log=True):
    """The curves of all seeds (thin) and their mean (thick), as in Fig. 2; Eq. 2 whatever the gradient.

    `curves` is "training set" or "fresh states"; `gradient` and `seed` show one of them alone.
    """
    if not history.epochs:
        raise ValueError("this history has no epoch yet, so there are no curves to draw")
    figure, (words, names) = Panels(f"Quantum loss, {curves}", height=430), ([], history.gradients)
    values = smooth(history.test if curves == "fresh states" else history.loss, smoothing)
    chosen = [n for n, one in enumerate(history.seeds) if seed in ("all", str(one))]
    epochs = np.arange(1, history.epochs + 1)
    for name, runs in zip(names, values, strict=True):
        shown = gradient in ("all", name)
        for number, run in enumerate(runs):
            figure.add(1, line(epochs, run, name, names, 1.2, opacity=0.6, showlegend=False, mode="lines",
                               visible=shown and number in chosen))
        mean = np.nanmean(runs[chosen], axis=0)
        figure.add(1, line(epochs, mean, name, names, visible=shown))
        if shown:
            words.append(f"{NAME.get(name, name)}: {mean[-1]:.2g}")
    figure.x(1, "epoch")
    figure.y(1, "quantum loss L", exponentformat="power", **({"type": "log", "dtick": 1} if log else {}))
    count = "one seed" if len(chosen) == 1 else f"{len(chosen)} seeds"
    blur = f"smoothed over {smoothing} epochs" if smoothing > 1 else "not smoothed"
    return figure.finish(f"Mean loss of {count} at epoch {history.epochs}, {blur} – " + "; ".join(words) + ".")


def gradient_sizes(overlap, sizes, epoch):
    """Size of each sample's gradient against its overlap with the target; sizes maps a gradient to (samples,)."""
    figure = Panels("Size of the gradient of each sample", "How many samples have which overlap", height=390)
    overlap = np.asarray(overlap)
    for name, size in sizes.items():
        figure.add(1, dots(overlap, size, name, 6, opacity=0.8, showlegend=True))
    edges = np.linspace(0, 1, 21)
    share = np.histogram(overlap, edges)[0] / len(overlap)
    figure.add(2, {"type": "bar", "x": (edges[1:] + edges[:-1]) / 2, "y": share, "showlegend": False,
                   "marker": {"color": LOOKS[0][0]}})
    figure.x(1, "overlap with the target", range=[-0.03, 1.03])
    figure.y(1, "size of the gradient", range=[-0.05, 2.15])
    figure.x(2, "overlap with the target", range=[-0.03, 1.03])
    figure.y(2, "share of the samples", range=[0, 1.02])
    low, worst = (overlap < 0.3).mean(), np.argsort(overlap)[: max(1, len(overlap) // 10)]
    sizes = {name: np.asarray(size) for name, size in sizes.items()}
    parts = ", ".join(f"{size[worst].sum() / max(size.sum(), 1e-30):.1%} under {name}" for name, size in sizes.items())
    means = ", ".join(f"{size.mean():.2g} under {name}" for name, size in sizes.items())
    return figure.finish(f"After epoch {epoch}, {low:.0%} of the samples have an overlap below 0.3. Mean size of the "
                         f"gradient: {means}. The tenth of the samples with the smallest overlap holds {parts} of it.")


def prediction(box, true, answers, label):
    """The true next state and what each network answers, turned to the phase of the truth: real and imaginary part."""
    figure, x = Panels("Real part", "Imaginary part", height=340), np.asarray(box.x)
    true, words = np.asarray(true), []
    for panel, part in ((1, np.real), (2, np.imag)):
        figure.add(panel, curve(x, part(true), width=5, opacity=0.5, name="true next state", showlegend=panel == 1))
        for name, answer in answers.items():
            answer = np.asarray(answer)
            phase = np.exp(1j * np.angle(np.vdot(answer, true)))
            figure.add(panel, line(x, part(phase * answer), name, mode="lines+markers", showlegend=panel == 1,
                                   marker=dots([], [], name, 5)["marker"]))
            if panel == 1:
                words.append(f"{name} {1 - abs(np.vdot(true, answer)) ** 2:.1e}")
        figure.x(panel, "x")
        figure.y(panel, "ψ", range=[-0.5, 0.5])
    return figure.finish(f"{label}. Quantum loss between truth and answer: " + ", ".join(words) + ".")


def rollout(losses, names):
    """Quantum loss per step when a network is fed its own answers; losses maps a name to (states, steps + 1)."""
    figure, words = Panels("Quantum loss against the true state", height=380), []
    for name in names:
        values = np.asarray(losses[name])[:, 1:]
        count = np.arange(1, values.shape[1] + 1)
        low, middle, high = np.quantile(values, [0.1, 0.5, 0.9], axis=0)
        band = {"x": np.concatenate([count, count[::-1]]), "y": np.concatenate([low, high[::-1]])}
        figure.add(1, curve(band["x"], band["y"], COLOUR[name], 0, fill="toself", opacity=0.18, showlegend=False,
                            hoverinfo="skip"), line(count, middle, name))
        words.append(f"{NAME[name]}: {middle[-1]:.1e}")
    figure.x(1, "step")
    figure.y(1, "quantum loss L", type="log", exponentformat="power", dtick=1)
    return figure.finish(f"Median loss after {len(count)} steps on a network's own answers – " + "; ".join(words)
                         + ". The bands hold 80 % of the states.")


def controls(time, signals, fidelity, name="M"):
    """Control signals in the colour of a gradient, late ones stronger; `signals` and `fidelity` map labels."""
    figure, words = Panels("Control signal u(t)", height=360), []
    for number, (label, values) in enumerate(signals.items(), start=1):
        strong = number / len(signals)
        stairs = {"color": COLOUR[name], "width": 1 + 2 * strong, "shape": "hv"}
        figure.add(1, curve(time, np.append(values, values[-1]), name=label, opacity=0.3 + 0.7 * strong, line=stairs))
        words.append(f"{label}: between {np.min(values):.1f} and {np.max(values):.1f}, fidelity {fidelity[label]:.2f}")
    figure.x(1, "time t", range=[time[0], time[-1]])
    figure.y(1, "u")
    return figure.finish("; ".join(words) + ".")
