"""Fig. 2: the training curves of a History."""

import numpy as np

from .style import NAME, Panels, line


def smooth(curves, epochs):
    """Return the mean over the last `epochs` epochs at every epoch (fewer at the start), along the last axis."""
    total = np.cumsum(np.insert(np.asarray(curves, dtype=float), 0, 0, axis=-1), axis=-1)
    end = np.arange(1, total.shape[-1])
    start = np.maximum(end - epochs, 0)
    return (total[..., end] - total[..., start]) / (end - start)


def training_curves(history, smoothing=10, log=True, title="Quantum loss in training"):
    """The curves of all seeds (thin) and their mean (thick), as in Fig. 2; Eq. 2 whatever the gradient."""
    figure, names = Panels(title, height=430), history.gradients
    epochs, words = np.arange(1, history.epochs + 1), []
    for name, runs in zip(names, smooth(history.loss, smoothing), strict=True):
        for run in runs:
            figure.add(1, line(epochs, run, name, names, 1.2, opacity=0.4, showlegend=False))
        mean = np.nanmean(runs, axis=0)
        figure.add(1, line(epochs, mean, name, names))
        words.append(f"{NAME.get(name, name)}: {mean[-1]:.2g}")
    figure.x(1, "epoch")
    figure.y(1, "quantum loss L", type="log" if log else "linear", exponentformat="power")
    return figure.finish(f"Mean loss over {len(history.seeds)} seeds after epoch {history.epochs}, smoothed over "
                         f"{smoothing} epochs – " + "; ".join(words) + ".")
