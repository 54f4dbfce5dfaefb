"""What a training leaves behind: curves, settings, versions, and the state to go on from, as JSON."""

import base64
import json
import os
import platform
import signal
import threading
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numba
import numpy as np
import torch

from .tasks import TASKS

FORMAT = "qtutor history 1"


def settings(task):
    """Return every setting of a task as plain data, with its name."""
    return {"task": task.name, **asdict(task)}


@contextmanager
def unhurried():
    """A second Ctrl-C has to wait until what the first one left is safe."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _versions():
    from . import __version__  # the package is still being imported when this file is

    return {"qtutor": __version__, "python": platform.python_version(), "torch": torch.__version__,
            "numpy": np.__version__, "numba": numba.__version__}


@dataclass
class History:
    """The curves of a training. `loss` and `test` are NumPy arrays (gradient, seed, epoch) of Eq. 2.

    `loss` is the mean over the epoch's samples while they are trained on, `test` is taken after the epoch on fresh
    initial states. `state` holds weights and optimiser, `snapshots` {epoch: weights}; `diverged` names
    (gradient, seed, epoch).
    """

    settings: dict
    gradients: list
    seeds: list
    device: str = "cpu"
    versions: dict = field(default_factory=_versions)
    seconds: float = 0.0
    interrupted: bool = False
    diverged: list = field(default_factory=list)
    loss: np.ndarray = None
    test: np.ndarray = None
    state: dict = field(default_factory=dict)
    snapshots: dict = field(default_factory=dict)

    def __post_init__(self):
        for name in ("loss", "test"):
            if getattr(self, name) is None:
                setattr(self, name, np.empty((len(self.gradients), len(self.seeds), 0)))

    @property
    def epochs(self):
        """Number of epochs done."""
        return self.loss.shape[-1]

    @property
    def task(self):
        """The task, rebuilt from the settings."""
        values = dict(self.settings)
        return TASKS[values.pop("task")](**values)

    def append(self, loss, test, state, diverged=(), keep=False):
        """Add an epoch: loss and test (gradients, seeds), the state after it, the pairs stopped; `keep` its weights."""
        known = {pair[:2] for pair in map(tuple, self.diverged)}
        self.diverged += [(*pair, self.epochs + 1) for pair in diverged if pair not in known]
        loss, test = (np.concatenate([old, new[..., None]], -1) for old, new in ((self.loss, loss), (self.test, test)))
        kept = {**self.snapshots, loss.shape[-1]: state["weights"]} if keep else self.snapshots
        # One call, so that an interrupt finds all of them of the same epoch.
        vars(self).update(loss=loss, test=test, state=state, snapshots=kept)

    def latest(self):
        """Return {gradient: mean loss of the last epoch over the seeds that are still running}."""
        return {name: _mean(values) for name, values in zip(self.gradients, self.loss[..., -1], strict=True)}

    def check_continues(self, settings, gradients, seeds):
        """Raise a ValueError that names the difference unless a training with these settings can go on from here."""
        mine = {**self.settings, "gradients": self.gradients, "seeds": self.seeds}
        theirs = {**settings, "gradients": gradients, "seeds": seeds}
        differ = [f"{key}: {mine.get(key)} there, {theirs.get(key)} now" for key in theirs
                  if key != "epochs" and mine.get(key) != theirs[key]]
        if differ:
            raise ValueError("cannot resume: the stored history has other settings (" + "; ".join(differ) + ")")

    def save(self, path):
        """Write everything to a JSON file; an existing file is replaced only once the new one is whole."""
        data = {"format": FORMAT, **vars(self), "loss": _plain(self.loss), "test": _plain(self.test),
                "state": {name: _encode(value) for name, value in self.state.items()},
                "snapshots": {epoch: _encode(value) for epoch, value in self.snapshots.items()}}
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_text(json.dumps(data, allow_nan=False), encoding="utf8")
        os.replace(part, path)

    @classmethod
    def load(cls, path):
        """Read what `save` wrote. Raises ValueError for a file that is not a history, FileNotFoundError for none."""
        try:
            data = json.loads(Path(path).read_text(encoding="utf8"))
            if data.pop("format") != FORMAT:
                raise KeyError("format")
            shape = (len(data["gradients"]), len(data["seeds"]), -1)
            for name in ("loss", "test"):
                data[name] = np.array(data[name], dtype=float).reshape(shape)
            data["state"] = {name: _decode(value) for name, value in data["state"].items()}
            data["snapshots"] = {int(epoch): _decode(value) for epoch, value in data["snapshots"].items()}
            data["diverged"] = [tuple(run) for run in data["diverged"]]
            history = cls(**data)
            _ = history.task  # raises unless the settings are those of a task
            if history.loss.shape != history.test.shape:
                raise ValueError("loss and test have different lengths")
            return history
        except (UnicodeDecodeError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise ValueError(f"{path} is not a readable history ({error}). Was it written by history.save, and "
                             "completely? Move it away to start afresh") from None


def _mean(values):
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def _plain(values):
    """Nested lists with None for NaN, which JSON does not know."""
    return np.where(np.isnan(values), None, values).tolist()


def _encode(values):
    return {"dtype": values.dtype.str, "shape": values.shape, "base64": base64.b64encode(values.tobytes()).decode()}


def _decode(entry):
    flat = np.frombuffer(base64.b64decode(entry["base64"]), dtype=np.dtype(entry["dtype"]))
    return flat.reshape(entry["shape"]).copy()  # frombuffer alone is read-only
