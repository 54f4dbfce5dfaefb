"""python -m qtutor: both experiments from a terminal."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

import qtutor as qt
from qtutor.__main__ import main, table
from qtutor.tasks import TASKS

SMALL = {"control": ["control", "--count", "12", "--steps", "5", "--epochs", "3"],
         "prediction": ["prediction", "--count", "4", "--steps", "20", "--epochs", "3"]}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", SMALL)
def test_an_experiment_writes_its_history_and_prints_the_table(name, capsys):
    main([*SMALL[name], "--seeds", "2", "--first-seed", "7"])
    shown = capsys.readouterr()
    history = qt.History.load(f"{name}.json")
    assert history.seeds == [7, 8] and history.gradients == ["S", "L2", "M"] and history.epochs == 3
    task = TASKS[name](**({"count": 12, "steps": 5} if name == "control" else {"count": 4, "steps": 20}), epochs=3)
    assert history.task == task
    expected = qt.train(task, seeds=(7, 8), progress=False)
    assert np.array_equal(history.loss, expected.loss)
    assert "3/3" in shown.err  # the progress bar
    for gradient, loss in zip(history.gradients, history.loss):
        row = next(line for line in shown.out.splitlines() if line.split()[0] == gradient)
        assert float(row.split()[1]) == pytest.approx(loss.mean(), rel=1e-2)
    assert f"{name}.json" in shown.out


def test_an_interrupted_run_goes_on(capsys):
    main([*SMALL["control"], "--output", "a/whole.json", "--quiet"])
    qt.train(qt.ControlTask(count=12, steps=5, epochs=3), epochs=1, progress=False).save("part.json")
    main([*SMALL["control"], "--output", "part.json", "--resume", "--quiet"])
    assert np.array_equal(qt.History.load("part.json").loss, qt.History.load("a/whole.json").loss)
    assert not capsys.readouterr().err


@pytest.mark.parametrize("again", [None, 0.003], ids=["once", "twice"])
def test_ctrl_c_keeps_what_is_done(again):
    environment = {**os.environ, "PYTHONPATH": str(Path(qt.__file__).parents[1])}
    command = [sys.executable, "-m", "qtutor", *SMALL["control"][:-1], "1000000", "--gradients", "M"]
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    shown = ""
    while "M=" not in shown:  # the first epoch is done
        assert running.poll() is None, shown
        shown += running.stderr.read(1)
    running.send_signal(signal.SIGINT)
    if again:
        time.sleep(again)
        running.send_signal(signal.SIGINT)
    out, _ = running.communicate(timeout=60)
    history = qt.History.load("control.json")
    assert history.epochs >= 1
    if again:
        return  # what is printed then depends on where the second one hits
    assert running.returncode == 0 and history.interrupted
    assert "Interrupted: go on with the same command and --resume" in out and "gradient" in out


def test_runs_that_diverged_do_not_spoil_the_table():
    loss = np.full((2, 3, 12), 0.5)
    loss[1, 0, 6:] = loss[0, :, 3:] = np.nan
    history = qt.History({"task": "control"}, ["S", "M"], [0, 1, 2], loss=loss, test=loss)
    rows = table(history).splitlines()
    assert "every run diverged" in rows[1] and "0.5" in rows[2] and "(2 of 3 runs; the others diverged)" in rows[2]


def test_help_lists_every_setting_with_its_origin(capsys):
    for name, task in TASKS.items():
        with pytest.raises(SystemExit) as end:
            main([name, "--help"])
        shown = " ".join(capsys.readouterr().out.split())
        assert end.value.code == 0
        for f in fields(task):
            assert f"--{f.name.replace('_', '-')}" in shown
        assert "paper 3.1" in shown and "our choice" in shown


def test_settings_reach_the_task():
    main([*SMALL["control"], "--quiet", "--gradients", "S, M", "--target", "3", "--no-shuffle",
          "--learning-rate", "0.01"])
    history = qt.History.load("control.json")
    assert history.gradients == ["S", "M"]
    assert history.task == qt.ControlTask(count=12, steps=5, epochs=3, target=3, shuffle=False, learning_rate=0.01)


def test_the_curves_can_be_drawn(capsys):
    main([*SMALL["control"], "--quiet", "--figure", "curves.html"])
    assert "curves.html" in capsys.readouterr().out and "plotly" in Path("curves.html").read_text(encoding="utf8")


def test_the_table_of_a_training_without_an_epoch():
    assert "no epoch" in table(qt.History({"task": "control"}, ["S"], [0]))


@pytest.mark.parametrize("options, says", [
    (["--gradients", "S,X"], "no gradient 'X'; there are S, L2, M"),
    (["--seeds", "0"], "at least one gradient, one seed"),
    (["--target", "21"], "eigenstates 1…20"),
    (["--optimiser", "Lion"], "unknown optimiser"),
    (["--resume"], "control.json"),
    (["--resume", "--output", "broken.json"], "broken.json is not a readable history"),
    (["--output", "broken.json"], "broken.json exists. Go on with it by --resume"),
    (["--output", "broken.json/run.json"], "broken.json"),
])
def test_bad_input_ends_with_one_sentence(options, says, capsys):
    Path("broken.json").write_text(json.dumps({"format": "none"}))
    with pytest.raises(SystemExit) as end:
        main([*SMALL["control"], "--quiet", *options])
    shown = capsys.readouterr()
    assert end.value.code == 2 and says in shown.err and "Traceback" not in shown.err and not shown.out


def test_a_wrong_experiment_says_which_there_are(capsys):
    with pytest.raises(SystemExit) as end:
        main(["juggling"])
    assert end.value.code == 2 and "prediction" in capsys.readouterr().err
