"""Measure the package against JAX, QuTiP and the dense textbook form, and print one table: make bench.

One pinned core, variants in turns, medians of CPU seconds (other programs on the machine then count less);
only the ratios within one run mean anything. A peer that is not installed is reported as absent.
"""

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import time

ALL_CORES = getattr(os, "sched_getaffinity", lambda _: None)(0)
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import numpy as np  # noqa: E402 - JAX reads the line above when it is imported
import torch  # noqa: E402

import qtutor as qt  # noqa: E402
from qtutor.gradients import gradients  # noqa: E402
from qtutor.network import initial_weights  # noqa: E402
from qtutor.training import _Ensemble  # noqa: E402

NINE, ONE = (("S", "L2", "M"), 3), (("M",), 1)  # gradients and number of seeds
IMPORT = """
import time; began = time.perf_counter()
import qtutor as qt
print(time.perf_counter() - began)
"""
FIGURES = IMPORT + """
began = time.perf_counter()
for task in (qt.PredictionTask(), qt.ControlTask()):
    qt.train(task, epochs=task.epochs // {part}, progress=False)
print(time.perf_counter() - began)
"""


class DenseControl(qt.ControlTask):
    """Control by the textbook: one dense solve per step, differentiated by torch."""

    def predict(self, output, states):
        psi = states.to(torch.complex128)
        for k in range(self.steps):
            psi = qt.step(psi, output[..., k].double(), self.box, self.dt)
        return psi.to(states.dtype)


def in_turns(variants, rounds):
    """Return the median CPU seconds per unit of every variant; a variant is (function, units per call)."""
    times = [[] for _ in variants]
    for done in range(-1, rounds):  # the first round warms up and compiles
        for (function, units), collected in zip(variants, times):
            began = time.process_time()
            function()
            if done >= 0:
                collected.append((time.process_time() - began) / units)
    return [statistics.median(collected) for collected in times]


def ours(task, names, seeds, epochs):
    """Return a function that trains so many epochs."""
    ensemble = _Ensemble(task, {name: gradients[name] for name in names}, list(range(seeds)), torch.device("cpu"))
    return lambda: [ensemble.epoch(k) for k in range(epochs)]


def in_jax(task, names, seeds, epochs, by_epoch):
    """The same in JAX, one compiled call per epoch or per training step; None where JAX is absent."""
    if not importlib.util.find_spec("jax"):
        return None
    import jax
    from peer_jax import initial, trainer

    train = trainer(task, names, seeds)
    count = task.count * (task.steps if task.name == "prediction" else 1)
    order = np.stack([np.random.default_rng((seed, 0)).permutation(count) for seed in range(seeds)])
    calls = [jax.numpy.asarray(part) for part in np.split(order, 1 if by_epoch else count // task.batch, axis=1)]
    rows = np.tile(initial_weights(task.sizes, range(seeds)).numpy(), (len(names), 1))
    held = [initial(rows, task.sizes)]

    def run():
        for _ in range(epochs):
            for part in calls:
                held[0], loss = train(held[0], part)
        loss.block_until_ready()

    return run


def against_jax(work, must, goal, task, runs, epochs, units, rounds, by_epoch=False, more=()):
    """Return the table's rows for one training job: against JAX, and against `more` (work, must, function, units)."""
    mine, peer = ours(task, *runs, epochs), in_jax(task, *runs, epochs, by_epoch)
    others = [(function, count) for _, _, function, count in more]
    own, *rest = in_turns([(mine, units)] + ([(peer, units)] if peer else []) + others, rounds)
    rows = []
    if peer:
        ratio = rest.pop(0) / own
        rows.append((f"{work}, against JAX", f"{ratio:.2f} x as fast", must, goal, ratio))
    else:
        rows.append((f"{work}, against JAX", "JAX is absent", must, goal, None))
    for (name, least, _, _), seconds in zip(more, rest):
        rows.append((name, f"{seconds / own:.0f} x as fast", least, None, seconds / own))
    return [(*row, f"{1e3 * own:.2f} ms") for row in rows]


def simulate(points=20, steps=50, samples=10):
    """Return a function that runs the simulator and its adjoint once."""
    box, generator = qt.Box(points), torch.Generator().manual_seed(0)
    psi = qt.superpositions(box, samples)
    u = torch.randn(samples, steps, dtype=torch.float64, generator=generator).requires_grad_()
    weight = torch.randn(samples, points, dtype=torch.complex128, generator=generator)
    return lambda: torch.autograd.grad(qt.evolve(psi, u, box), u, weight)


def exponents(rounds):
    """Return rows: the exponent of the cost of evolve and its adjoint; 1 is linear."""
    rows = []
    for name, values in {"points": (20, 64, 256, 1024), "steps": (50, 100, 200, 400, 800),
                         "samples": (10, 40, 200, 450, 1000)}.items():
        seconds = in_turns([(simulate(**{name: value}), 1) for value in values], rounds)
        slope = float(np.polyfit(np.log(values[-3:]), np.log(seconds[-3:]), 1)[0])  # small ones are overhead
        rows.append((f"cost against {name}, {values[-3]} to {values[-1]}", f"exponent {slope:.2f}", "≤ 1.1", None,
                     -slope, f"{1e3 * seconds[-1]:.2f} ms"))
    return rows


def against_qutip(rounds):
    """Return the row for one trajectory of 50 controlled steps against QuTiP's sesolve."""
    work = "one controlled trajectory, against QuTiP sesolve"
    if not importlib.util.find_spec("qutip"):
        return (work, "QuTiP is absent", None, None, None, "")
    from peer_qutip import trajectory

    box, u = qt.Box(), 5 * torch.randn(50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    psi = qt.superpositions(box, 1)[0]
    own, theirs = in_turns([(lambda: [qt.evolve(psi, u, box) for _ in range(20)], 20),
                            (trajectory(psi, u, box, 0.2), 1)], rounds)
    return (work, f"{theirs / own:.0f} x as fast", None, None, None, f"{1e3 * own:.2f} ms")


def in_a_new_process(program):
    """Return the numbers a program prints, run on all cores."""
    unpin = f"import os; os.sched_setaffinity(0, {ALL_CORES})\n" if ALL_CORES else ""
    done = subprocess.run([sys.executable, "-c", unpin + program], capture_output=True, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


def figures(quick):
    """Return the row for Fig. 2a and 2b from nothing, 18 networks; quick: from a tenth of the epochs."""
    part = 10 if quick else 1
    start, training = in_a_new_process(FIGURES.format(part=part))
    seconds = start + part * training
    work = "Fig. 2a + 2b, 18 networks" + ", from a tenth" * quick
    return (work, f"{seconds:.0f} s", "≤ 90 s", "≤ 45 s", -seconds, "")


def verdict(value, must, goal):
    """Compare with bars such as '≥ 2', or '≤ 90 s', for which the value is given with a minus sign."""
    if must is None or value is None:
        return ""
    sign = 1 if "≥" in must else -1
    met, goal_met = (bar is not None and value >= sign * float(bar.split()[1]) for bar in (must, goal))
    return "goal met" if goal_met else "met" if met else "MISSED"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds; half a minute instead of two")
    quick = parser.parse_args().quick
    if ALL_CORES:
        os.sched_setaffinity(0, {max(ALL_CORES)})
    torch.set_num_threads(1)
    rounds = 5 if quick else 15
    control, prediction = qt.ControlTask(), qt.PredictionTask()
    seconds = statistics.median(in_a_new_process(IMPORT)[0] for _ in range(3))
    rows = [("import qtutor", f"{seconds:.1f} s", "≤ 2 s", None, -seconds, "")]
    dense = ours(DenseControl(), *ONE, 1)
    rows += against_jax("control step, 9 runs", "≥ 2", "≥ 3", control, NINE, 5, 50, rounds)
    rows += against_jax("control step, 1 run", "≥ 0.77", "≥ 1", control, ONE, 10, 100, rounds,
                        more=[("control step, 1 run, against the dense form", "≥ 20", dense, 10)])
    rows += against_jax("prediction epoch, 9 runs", "≥ 0.625", "≥ 1", prediction, NINE, 1, 1, rounds, by_epoch=True)
    rows.append(against_qutip(rounds))
    rows += exponents(rounds)
    rows.append(figures(quick))
    print(f"{'work':<50}{'our time':>10}   {'ratio':<16}{'must':<10}{'goal':<9}met?")
    for work, result, must, goal, value, own in rows:
        print(f"{work:<50}{own:>10}   {result:<16}{must or '':<10}{goal or '':<9}{verdict(value, must, goal)}")


if __name__ == "__main__":
    main()
