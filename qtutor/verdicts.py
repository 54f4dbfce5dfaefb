"""What the evidence says: ratios of losses with their intervals, the paper's claims, and one rule for the verdicts.

Everything is paired: the two losses of a ratio come from runs with the same initial weights and data order. The unit
of a mean is one seed, or, for fresh draws of the initial states, one draw.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from . import toy

SIMILAR = 1.5  # our choice: two losses are "similar", and a factor is "about" right, within this factor
VERDICTS = ("reproduced", "only in a window", "not reproduced")


@dataclass
class Ratio:
    """A geometric mean ratio per epoch with its 95 % interval, a paired p-value, and the number of pairs."""

    epochs: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    pairs: np.ndarray

    def at(self, epoch=None):
        """Return (value, low, high) at a stored epoch, by default the last."""
        place = -1 if epoch is None else list(self.epochs).index(epoch)
        return tuple(float(part[place]) for part in (self.value, self.low, self.high))

    def text(self, epoch=None):
        """Return "1.31 (1.01 to 1.67)": the ratio and its interval, where there is one."""
        value, low, high = (f"{part:.2f}" if part >= 0.1 else f"{part:.2g}" for part in self.at(epoch))
        return value if low == "nan" else f"{value} ({low} to {high})"

    def then(self, other):
        """Return this Ratio with the later epochs of another one behind it."""
        later = other.epochs > self.epochs[-1]
        return Ratio(*(np.concatenate([part, vars(other)[name][later]]) for name, part in vars(self).items()))


def curves(study, gradient, kind="loss", seeds=None):
    """Return the stored curves of one gradient, (seeds, epochs); NaN where a run had diverged."""
    return np.array([study["runs"][seed][gradient][kind] for seed in seeds or study["runs"]], dtype=float)


def log_ratio(study, top, bottom, kind="loss", below=None):
    """Return ln(top / bottom) per seed and epoch; `below` is the study of `bottom` where it is another one.

    Only seeds and epochs that both studies have are compared.
    """
    below = below or study
    seeds = [seed for seed in study["runs"] if seed in below["runs"]]
    logs = []
    for one, name in ((study, top), (below, bottom)):
        places = [one["epochs"].index(epoch) for epoch in common_epochs(study, below)]
        logs.append(np.log(np.maximum(curves(one, name, kind, seeds)[:, places], 1e-12)))  # 0 has no logarithm
    return logs[0] - logs[1]


def common_epochs(study, below):
    """Return the stored epochs that two studies share."""
    return [epoch for epoch in study["epochs"] if epoch in (below or study)["epochs"]]


def until(study, epoch):
    """Return a study as if it had ended at a stored epoch."""
    kept = study["epochs"][:study["epochs"].index(epoch) + 1]
    runs = {seed: {name: {kind: values[:len(kept)] for kind, values in run.items()} for name, run in runs.items()}
            for seed, runs in study["runs"].items()}
    return {**study, "epochs": kept, "runs": runs}


def summarise(logs, epochs):
    """Return the Ratio of log ratios (units, epochs): BCa bootstrap of their mean, Wilcoxon's signed-rank test."""
    rows = []
    for column in np.asarray(logs, dtype=float).T:
        known = column[np.isfinite(column)]
        if len(known) < 3 or np.ptp(known) == 0:
            mean = math.exp(known.mean()) if len(known) else math.nan
            rows.append((mean, *[mean if len(known) >= 3 else math.nan] * 2, math.nan, len(known)))
            continue
        found = stats.bootstrap((known,), np.mean, n_resamples=2000, method="BCa", rng=np.random.default_rng(0))
        low, high = found.confidence_interval
        rows.append((*np.exp([known.mean(), low, high]), stats.wilcoxon(known).pvalue, len(known)))
    return Ratio(np.array(epochs), *np.array(rows).T)


def ratio(study, top, bottom, kind="loss", below=None, end=False):
    """Return the Ratio top / bottom of one study over its seeds; with `end`, at its last epoch only."""
    logs, epochs = log_ratio(study, top, bottom, kind, below), common_epochs(study, below)
    return summarise(logs[:, -1:], epochs[-1:]) if end else summarise(logs, epochs)


def ratio_over_draws(studies, top, bottom, kind="loss"):
    """Return the Ratio top / bottom over draws of the initial states; each draw counts once, as its seeds' mean."""
    return summarise([log_ratio(study, top, bottom, kind).mean(0) for study in studies], studies[0]["epochs"])


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper as ratios that must lie above 1, near a factor, or near 1, from one epoch to another."""

    number: str
    words: str
    source: str
    experiment: str
    pairs: tuple  # of (top, bottom)
    first: int
    last: int
    test: str = "above 1"  # or "about 2", or "near 1"
    kind: str = "loss"

    def holds(self, ratio):
        """Return at which epochs the ratio's interval agrees with the claim."""
        if self.test == "near 1":
            return (ratio.low > 1 / SIMILAR) & (ratio.high < SIMILAR)
        above = ratio.low > 1
        return above & (ratio.low < 2 * SIMILAR) & (ratio.high > 2 / SIMILAR) if self.test == "about 2" else above

    def judge(self, ratios, enough=2):
        """Return (verdict, epochs at which it holds) for Ratios that must all agree, from `first` to `last`.

        Reproduced: at every stored epoch; only in a window: at `enough` in a row; else not reproduced.
        """
        epochs = ratios[0].epochs
        asked = (epochs >= self.first) & (epochs <= self.last)
        good = np.logical_and.reduce([self.holds(one) for one in ratios])[asked]
        in_a_row = np.convolve(good, np.ones(enough)).max() == enough
        verdict = VERDICTS[0] if good.all() else VERDICTS[1] if in_a_row else VERDICTS[2]
        return verdict, [int(epoch) for epoch in epochs[asked][good]]


CLAIMS = (
    Claim("P1", "L2: “notably fast progress especially in the beginning”", "3.1", "prediction", (("S", "L2"),), 1, 5),
    Claim("P2", "S: “achieves only a suboptimal result”", "3.1", "prediction", (("S", "M"),), 30, 120),
    Claim("P3", "L2: “minimizes the loss to a similar level” as S", "3.1", "prediction", (("L2", "S"),), 30, 120,
          "near 1"),
    Claim("P4", "M: “loss values of about a factor of 2 better than those of the other methods”", "3.1", "prediction",
          (("S", "M"), ("L2", "M")), 30, 120, "about 2"),
    Claim("P5", "M: “overall less spikey curves”", "3.1", "prediction", (("S", "M"), ("L2", "M")), 30, 120,
          kind="jumps"),
    Claim("C1", "M: “finds the best solution”", "3.2", "control", (("S", "M"), ("L2", "M")), 100, 900),
    Claim("C2", "L2: “yields the worst results, next is the standard gradient”", "3.2", "control",
          (("L2", "S"),), 100, 900),
)  # fmt: skip
SHOWN = {"prediction": 60, "control": 300}  # the epoch whose ratio stands in the table


@dataclass(frozen=True)
class Row:
    """A line of the claim table."""

    number: str
    words: str
    source: str
    asked: str
    seeds: str
    draws: str
    verdict: str


def judge_all(claims, drawn, longer):
    """Return a Row for each claim of the paper; its verdict is the weaker of those over seeds and over draws.

    `longer` is a study of control that goes on, with fewer seeds, where the twenty end.
    """
    rows = [_toy()]
    for claim in CLAIMS:
        many = [drawn[f"{claim.experiment} {n}"] for n in range(1, 11)]
        over_seeds = [ratio(claims[claim.experiment], *pair, claim.kind) for pair in claim.pairs]
        if claim.experiment == "control":
            over_seeds = [one.then(ratio(longer, *pair, claim.kind)) for one, pair in zip(over_seeds, claim.pairs)]
        rows.append(_row(claim, over_seeds, [ratio_over_draws(many, *pair, claim.kind) for pair in claim.pairs]))
    return [*rows, _stable(claims, drawn)]


def _row(claim, over_seeds, over_draws):
    # Draws are stored at fewer epochs, 20 and more apart: there, one of them makes a window.
    verdicts, good = zip(claim.judge(over_seeds), claim.judge(over_draws, enough=1))
    epoch = min(claim.last, SHOWN[claim.experiment])
    texts = []
    for found, epochs in zip((over_seeds, over_draws), good):
        names = [a if a == b else f"{a}/{b}" for a, b in claim.pairs]
        values = [f"{name} {one.text(epoch)}" for name, one in zip(names, found)]
        what = "jumps" if claim.kind == "jumps" else "loss"
        what += ", prediction over control" if claim.number == "C3" else ""
        where = ", ".join(map(str, epochs)) or "no epoch"
        texts.append(f"{what}, epoch {epoch}: {'; '.join(values)}. Holds at {where}")
    verdict = max(verdicts, key=VERDICTS.index)
    if verdict == VERDICTS[1] and not set(good[0]) & set(good[1]):
        verdict = VERDICTS[2]  # two windows that share no epoch are none
    return Row(claim.number, claim.words, claim.source, f"epochs {claim.first} to {claim.last}", *texts, verdict)


def _stable(claims, drawn):
    """Claim C3: from epoch to epoch ln L jumps less in control than in prediction, for each of the gradients."""
    claim = Claim("C3", "“Overall the learning curves look more stable than for the other task”", "3.2", "prediction",
                  tuple((name, name) for name in ("S", "L2", "M")), 30, 120, kind="jumps")
    many = [[drawn[f"{task} {n}"] for n in range(1, 11)] for task in ("prediction", "control")]
    shared = common_epochs(many[0][0], many[1][0])
    over_seeds = [ratio(claims["prediction"], *pair, "jumps", claims["control"]) for pair in claim.pairs]
    over_draws = [summarise([log_ratio(a, *pair, "jumps", b).mean(0) for a, b in zip(*many)], shared)
                  for pair in claim.pairs]
    return _row(claim, over_seeds, over_draws)


def _toy():
    """Claim T1, without chance: S needs most steps to leave the top, wherever "slightly smaller than π/2" may be."""
    angles = np.array([1.50, 1.52, 1.54, 1.56, toy.THETA0])
    steps = {name: toy.steps_needed(toy.descend(name, angles), 0.5) for name in ("S", "L2", "M")}
    good = (steps["S"] > 1.5 * steps["L2"]) & (steps["S"] > 1.5 * steps["M"])
    text = "steps until L < 0.5: " + ", ".join(f"{name} {count[-1]}" for name, count in steps.items())
    verdict = VERDICTS[0] if good.all() else VERDICTS[1] if good.any() else VERDICTS[2]
    return Row("T1", "S: “extremely flat at the beginning”; L2: “fast progress also in the beginning”; M: the same",
               "2.2–2.4", "θ₀ from 1.50 to 1.57", text + " from θ₀ = 1.57", "no chance involved", verdict)
