"""Train all networks of chapter 8, on as many processes as there are, and keep the numbers with their origin.

`python -m qtutor evidence` writes one JSON file per group of studies into evidence/. A job is one study with some of
its seeds; a stored seed is never trained again. Jobs run on any `concurrent.futures` executor: processes of this
machine, or a Dask cluster.
"""

import json
import os
import platform
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from .history import History
from .studies import FUNCTIONS, studies
from .training import train

SMOOTHING = 10  # epochs, as in the paper's Fig. 2
BLOCK = 10  # seeds trained together in one job


def measure(study, seeds):
    """Train one job; return {seed: {gradient: curves at the stored epochs}} and the seconds that it took.

    `loss` and `test` are Eq. 2 on the training set and on fresh states, `jumps` is |ln L − ln L one epoch before|.
    Beyond epoch 10 each is a mean over the last ten epochs; the early ones stand as they are.
    """
    history = train(study.task, {name: FUNCTIONS[name] for name in study.gradients}, seeds, progress=False)
    if history.interrupted:
        raise KeyboardInterrupt
    with np.errstate(divide="ignore", invalid="ignore"):
        jumps = np.abs(np.diff(np.log(history.loss), prepend=np.nan))
    curves = {"loss": history.loss, "test": history.test, "jumps": jumps}
    found = {str(seed): {} for seed in seeds}
    for g, name in enumerate(study.gradients):
        for s, seed in enumerate(seeds):
            found[str(seed)][name] = {kind: _thin(values[g, s], study.epochs) for kind, values in curves.items()}
    return found, history.seconds


def _thin(curve, epochs):
    """Four digits of a curve at `epochs`; None where a run had diverged, and for the jump to the first epoch."""
    means = [np.mean(curve[epoch - (SMOOTHING if epoch > SMOOTHING else 1):epoch]) for epoch in epochs]
    return [float(f"{mean:.4g}") if np.isfinite(mean) else None for mean in means]


def produce(folder, only=None, processes=None, scheduler=None, chosen=None, progress=True):
    """Train what the files in `folder` do not hold yet, and bring them up to date after every job.

    `only` names a group. Jobs run on `processes` of this machine (default: one per core), or on the Dask
    cluster at the address `scheduler`. `chosen` replaces the studies of chapter 8.
    """
    chosen = [study for study in (chosen or studies()) if only in (None, study.group)]
    if not chosen:
        raise ValueError(f"no group {only!r}; there are {', '.join(dict.fromkeys(s.group for s in studies()))}")
    files = {group: _File(Path(folder) / f"{group}.json") for group in dict.fromkeys(s.group for s in chosen)}
    jobs = []
    for study in chosen:
        left = files[study.group].missing(study)
        jobs += [(study, left[k:k + BLOCK]) for k in range(0, len(left), BLOCK)]
    jobs.sort(key=lambda job: -_cost(*job))  # the longest first: no core idles at the end
    bar = tqdm(total=round(sum(_cost(*job) for job in jobs)), disable=not progress, desc="evidence",
               bar_format="{desc} {percentage:3.0f}% |{bar}| {elapsed} so far, about {remaining} to go {postfix}")
    with _executor(processes, scheduler) as executor, bar:
        waiting = {executor.submit(measure, *job): job for job in jobs}
        try:
            for future in as_completed(waiting):
                study, seeds = waiting.pop(future)
                found, seconds = future.result()
                files[study.group].add(study, found, seconds)
                bar.update(round(_cost(study, seeds)))
                bar.set_postfix_str(f"{len(waiting)} jobs left")
        finally:  # after an interrupt or an error the jobs that have not begun are dropped
            for future in waiting:
                future.cancel()
    return [str(file.path) for file in files.values()]


def load(folder, group):
    """Return what `produce` wrote about a group: {"made": …, "studies": {name: …}}."""
    path = Path(folder) / f"{group}.json"
    try:
        data = json.loads(path.read_text("utf8"))
        return {"made": data["made"], "studies": data["studies"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not what `produce` writes ({error!r}); move it away and make it again") from None


class _File:
    """One group's file: every study's numbers, and who made them when, with what and how long."""

    def __init__(self, path):
        self.path, self.session = path, None
        self.data = load(path.parent, path.stem) if path.exists() else {"made": [], "studies": {}}

    def missing(self, study):
        """Return the seeds that are not stored under the study's present settings."""
        stored = self.data["studies"].get(study.name, {})
        known = stored["runs"] if stored and all(stored[key] == value for key, value in study.about().items()) else {}
        return [seed for seed in study.seeds if str(seed) not in known]

    def add(self, study, found, seconds):
        """Store a job's numbers; the file is replaced only once the new one is whole."""
        stored = self.data["studies"].get(study.name, {})
        if any(stored.get(key) != value for key, value in study.about().items()):
            stored = {**study.about(), "runs": {}}
        stored["runs"] = dict(sorted({**stored["runs"], **found}.items()))
        self.data["studies"] = dict(sorted({**self.data["studies"], study.name: stored}.items()))
        if self.session is None:
            self.session = {**_circumstances(), "networks": 0, "job_seconds": 0.0}
            self.data["made"].append(self.session)
        self.session["networks"] += len(found) * len(study.gradients)
        self.session["job_seconds"] = round(self.session["job_seconds"] + seconds, 1)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(self.path.name + ".part")
        part.write_text(json.dumps(self.data, ensure_ascii=False).replace("},", "},\n") + "\n", "utf8")
        os.replace(part, self.path)


def _circumstances():
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():  # Linux has no other name for it
        names = [line for line in Path("/proc/cpuinfo").read_text("utf8").splitlines() if "model name" in line]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    return {"command": "python -m qtutor evidence", "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "versions": History({}, [], []).versions, "machine": {"processor": cpu, "cores": os.cpu_count()}}


def _cost(study, seeds):
    """Roughly, in seconds on one core: what the progress bar counts."""
    task = study.task
    per_epoch = 0.018 if task.name == "prediction" else 0.0028 * task.steps / 50 * task.points / 20
    return len(seeds) * len(study.gradients) * task.epochs * per_epoch


@contextmanager
def _executor(processes, scheduler):
    if processes == 1 and scheduler is None:
        with ThreadPoolExecutor(1) as executor:  # here: a process of its own takes seconds to begin
            yield executor
    elif scheduler is None:
        with ProcessPoolExecutor(processes or os.cpu_count(), get_context("spawn")) as executor:
            yield executor
    else:
        from distributed import Client  # optional: pip install "qtutor[cluster]"

        with Client(scheduler) as client:
            yield client.get_executor()
