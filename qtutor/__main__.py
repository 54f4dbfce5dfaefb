"""The experiments from a terminal: python -m qtutor prediction | control, and evidence for chapter 8."""

import argparse
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np

from . import evidence
from .gradients import gradients as named_gradients
from .history import History
from .studies import studies
from .tasks import TASKS
from .training import train


def parser():
    """Return the command line: every setting of a task is an option, its origin in the help."""
    main = argparse.ArgumentParser(prog="python -m qtutor", description=__doc__)
    commands = main.add_subparsers(dest="task", required=True, metavar="prediction|control|evidence")
    for name, task in TASKS.items():
        add = commands.add_parser(name, help=task.__doc__.splitlines()[0], description=task.__doc__,
                                  formatter_class=argparse.ArgumentDefaultsHelpFormatter).add_argument
        add("--seeds", type=int, default=3, help="number of runs per gradient (paper: 3)")
        add("--first-seed", type=int, default=0, help="seeds count up from here")
        add("--gradients", default="S,L2,M", help=f"comma-separated, out of {', '.join(named_gradients)}")
        add("--output", type=Path, default=Path(f"{name}.json"), help="where the history is written")
        add("--resume", action="store_true", help="go on with the history in --output")
        add("--figure", type=Path, help="also draw the curves of Fig. 2 into this HTML file")
        add("--device", default="cpu", help="cpu or cuda")
        add("--quiet", action="store_true", help="no progress bar")
        for f in fields(task):
            kind = {"action": argparse.BooleanOptionalAction} if isinstance(f.default, bool) else \
                {"type": type(f.default), "metavar": type(f.default).__name__.upper()}
            add(f"--{f.name.replace('_', '-')}", dest=f"set_{f.name}", default=f.default,
                help=f.metadata["origin"], **kind)
    add = commands.add_parser("evidence", help="All runs of chapter 8; what is stored is not run again.").add_argument
    add("--only", metavar="GROUP", help=", ".join(dict.fromkeys(study.group for study in studies())))
    add("--jobs", type=int, help="processes on this machine (default: one per core)")
    add("--scheduler", metavar="ADDRESS", help="run on the Dask cluster at this address instead")
    add("--output", type=Path, default=Path("evidence"), help="folder of the data files")
    add("--quiet", action="store_true", help="no progress bar")
    return main


def run(options):
    """Train, save and print; returns the History."""
    if options.task == "evidence":
        made = evidence.produce(options.output, options.only, options.jobs, options.scheduler,
                                progress=not options.quiet)
        print("up to date: " + ", ".join(made))
        return None
    settings = {key[4:]: value for key, value in vars(options).items() if key.startswith("set_")}
    task, before = TASKS[options.task](**settings), None
    if options.resume:
        before = History.load(options.output)
    elif options.output.exists():
        raise ValueError(f"{options.output} exists. Go on with it by --resume, or choose another --output")
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    options.output.parent.mkdir(parents=True, exist_ok=True)  # better to fail now than after the training
    names = options.gradients.replace(" ", "").split(",")
    history = train(task, names, seeds, device=options.device, progress=not options.quiet, resume=before,
                    save=options.output)
    print(table(history))
    if not history.epochs:
        return history
    print(f"{history.epochs} epochs in {history.seconds:.1f} s, written to {options.output}"
          + (". Interrupted: go on with the same command and --resume" if history.interrupted else ""))
    if options.figure:
        from .figures import training_curves

        training_curves(history).write_html(options.figure)
        print(f"curves drawn to {options.figure}")
    return history


def table(history, window=10):
    """Return final losses as text: mean over the last epochs, mean and spread over seeds, best and worst seed."""
    if not history.epochs:
        return "no epoch was finished"
    rows = [f"{'gradient':<10}{'training loss':>15}{'± seeds':>10}{'best':>10}{'worst':>10}{'fresh states':>15}"]
    for name, loss, test in zip(history.gradients, history.loss, history.test, strict=True):
        final, fresh = (curves[:, -window:].mean(1) for curves in (loss, test))
        final, fresh = final[np.isfinite(final)], fresh[np.isfinite(final)]
        if not len(final):
            rows.append(f"{name:<10}  every run diverged")
            continue
        spread = final.std(ddof=1) if len(final) > 1 else np.nan
        rows.append(f"{name:<10}{final.mean():>15.3g}{spread:>10.2g}{final.min():>10.3g}{final.max():>10.3g}{fresh.mean():>15.3g}"
                    + (f"  ({len(final)} of {len(loss)} runs; the others diverged)" if len(final) < len(loss) else ""))
    return "\n".join([*rows, f"(quantum loss, Eq. 2, mean over the last {min(window, history.epochs)} epochs)"])


def main(arguments=None):
    """Entry point; bad input ends with one sentence and status 2."""
    try:
        run(parser().parse_args(arguments))
    except (ValueError, KeyError, OSError) as error:
        told = isinstance(error, (ValueError, KeyError))
        message = error.args[0] if told else f"{error.filename}: {error.strerror}" if error.strerror else error
        print(f"qtutor: {message}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
