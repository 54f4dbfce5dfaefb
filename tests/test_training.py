"""Training: independent runs, an ordinary torch loop as the referee, interrupts, divergence."""

import signal
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_network import torch_network

import qtutor as qt
from qtutor.network import initial_weights
from qtutor.tasks import features

CONTROL = qt.ControlTask(count=34, steps=8)  # the last mini batch is a short one
PREDICTION = qt.PredictionTask(count=10, steps=70, batch=200)
BOTH = [pytest.param(CONTROL, id="control"), pytest.param(PREDICTION, id="prediction")]


def train(task, gradients=("S", "L2", "M"), seeds=(0, 1), epochs=2, **options):
    return qt.train(task, gradients, seeds, epochs, progress=False, **options)


def same(a, b):
    """Bit for bit, NaN included."""
    return np.array_equal(a, b, equal_nan=True)


@pytest.mark.parametrize("task", BOTH)
def test_same_seeds_same_curves(task):
    torch.manual_seed(1)
    first = train(task)
    torch.manual_seed(2)
    np.random.seed(2)  # noqa: NPY002 - the point is that global generators do not matter
    again = train(task)
    assert same(first.loss, again.loss) and same(first.test, again.test)
    assert first.loss.shape == first.test.shape == (3, 2, 2) and np.isfinite(first.loss).all()
    assert len(np.unique(first.loss)) == first.loss.size  # gradients, seeds and epochs differ from each other


@pytest.mark.parametrize("task", BOTH)
def test_a_run_does_not_depend_on_its_company(task):
    crowd = train(task, seeds=(7, 3, 1))
    for g, name in enumerate(crowd.gradients):
        alone = train(task, (name,), (3,))
        assert same(alone.loss[0, 0], crowd.loss[g, 1]) and same(alone.test[0, 0], crowd.test[g, 1])
    turned = train(task, ("M", "S"), (1, 9, 3, 7))
    assert same(turned.loss[0, [3, 2, 0]], crowd.loss[2]) and same(turned.loss[1, [3, 2, 0]], crowd.loss[0])


def test_answers_of_any_length_are_judged_by_their_direction():
    tasks = [replace(PREDICTION, normalised=flag, learning_rate=0.0) for flag in (True, False)]
    unit, free = (train(task, epochs=1) for task in tasks)  # the weights stay as they were
    np.testing.assert_allclose(free.loss, unit.loss, rtol=1e-5)
    np.testing.assert_allclose(free.test, unit.test, rtol=1e-5)
    history = train(replace(PREDICTION, normalised=False), epochs=10)
    states, _ = history.task.data()
    length = torch.linalg.vector_norm(history.task.predict(qt.outputs(history, states), states), dim=-1)
    s, l2, m = length.mean(-1).mean(-1)
    assert min(s, m) > 3 and abs(l2 - 1) < 0.1  # only L2 has a length to arrive at
    assert (history.loss[1, :, -1] < 0.02).all() and (history.loss >= 0).all() and (history.loss <= 1).all()


def test_independence_holds_at_the_sizes_of_the_paper():
    crowd, alone = (train(qt.ControlTask(), gradients, seeds, epochs=1)
                    for gradients, seeds in ((("S", "L2", "M"), range(3)), (("M",), (2,))))
    assert same(alone.loss[0, 0], crowd.loss[2, 2]) and same(alone.test[0, 0], crowd.test[2, 2])


@pytest.mark.parametrize("task", BOTH)
def test_a_seed_gives_every_gradient_the_same_weights_and_order(task):
    history = train(task, {"one": qt.gradients["M"], "two": qt.gradients["M"]})
    assert same(history.loss[0], history.loss[1]) and same(history.test[0], history.test[1])


@pytest.mark.parametrize("gradient", ["S", "L2", "M"])
@pytest.mark.parametrize("task", BOTH)
def test_against_an_ordinary_training_loop(task, gradient):
    """One run again with torch's own layers and Adam, and the dense simulator step."""
    seed, epochs = 5, 2
    network = torch_network(initial_weights(task.sizes, [seed])[0], task.sizes)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.005, foreach=False, fused=False)

    def predict(states):
        output = network(features(states))
        if task.name == "prediction":
            psi = torch.complex(output[:, :20], output[:, 20:])
            return psi / psi.abs().square().sum(-1, keepdim=True).sqrt()
        psi = states.to(torch.complex128)
        for k in range(task.steps):
            psi = qt.step(psi, output[:, k].double(), task.box, task.dt)
        return psi.to(torch.complex64)

    def infidelity(psi, target):
        return 1 - (target.conj() * psi).sum(-1).abs().square()

    states, targets = task.data()
    curve = []
    for epoch in range(epochs):
        total = 0.0
        for batch in np.array_split(np.random.default_rng((seed, epoch)).permutation(len(states)),
                                    range(task.batch, len(states), task.batch)):
            psi, target = predict(states[batch]), targets[batch]
            c = (target.conj() * psi).sum(-1).detach()
            direction = {"S": -2 * c[:, None] * target, "L2": psi.detach() - target,
                         "M": -2 * (c / c.abs())[:, None] * target}[gradient]
            optimiser.zero_grad()
            psi.backward(direction / len(batch))
            optimiser.step()
            total += float(infidelity(psi.detach(), target).sum())
        curve.append(total / len(states))
    history = train(task, (gradient,), (seed,), epochs)
    np.testing.assert_allclose(history.loss[0, 0], curve, rtol=2e-3, atol=2e-5)
    states, targets = task.data(fresh=True)
    with torch.no_grad():
        fresh = float(infidelity(predict(states), targets).mean())
    assert history.test[0, 0, -1] == pytest.approx(fresh, rel=5e-3, abs=5e-5)


def test_shuffling_can_be_left_out_and_changes_the_result():
    assert not same(train(CONTROL).loss, train(replace(CONTROL, shuffle=False)).loss)


def test_training_learns():
    history = train(qt.ControlTask(count=20, target=2), seeds=range(3), epochs=40)
    assert (history.loss[..., -1] < 0.6 * history.loss[..., 0]).all()


def interrupting(after):
    calls = iter(range(10**6))

    def gradient(psi, target):
        if next(calls) == after:
            raise KeyboardInterrupt
        return qt.gradients["S"](psi, target)

    return gradient


@pytest.mark.parametrize("after, epochs", [(0, 0), (3, 0), (4, 1), (10, 2)])
def test_an_interrupt_returns_the_epochs_done_and_resume_goes_on_bit_for_bit(after, epochs):
    whole = train(CONTROL, epochs=4)  # four mini batches an epoch
    assert not whole.interrupted
    part = train(CONTROL, {**qt.gradients, "S": interrupting(after)}, epochs=4)
    assert part.interrupted and part.epochs == epochs
    assert same(part.loss, whole.loss[..., :epochs])
    resumed = train(CONTROL, epochs=4, resume=part)
    assert same(resumed.loss, whole.loss) and same(resumed.test, whole.test) and not resumed.interrupted
    for name, value in whole.state.items():
        assert same(resumed.state[name], value)


@pytest.mark.parametrize("delay", [0.003, 0.02, 0.05])
def test_ctrl_c_at_any_moment_leaves_a_history_that_can_go_on(delay):
    started = threading.Event()

    def gradient(psi, target):
        if not started.is_set():
            started.set()
            threading.Timer(delay, signal.raise_signal, (signal.SIGINT,)).start()
        return qt.gradients["S"](psi, target)

    part = train(CONTROL, {"S": gradient}, epochs=100_000)
    assert part.interrupted and part.loss.shape == part.test.shape
    done = part.epochs
    resumed = train(CONTROL, ("S",), epochs=done + 2, resume=part)
    assert same(resumed.loss, train(CONTROL, ("S",), epochs=done + 2).loss)


def test_longer_training_is_a_resumed_one():
    history = train(CONTROL, epochs=1)
    assert same(train(CONTROL, epochs=3, resume=history).loss, train(CONTROL, epochs=3).loss)


@pytest.mark.parametrize("settings, says", [
    ({"task": replace(CONTROL, learning_rate=0.01)}, "learning_rate: 0.005 there, 0.01 now"),
    ({"task": replace(CONTROL, target=3)}, "target: 4 there, 3 now"),
    ({"task": PREDICTION}, "task: control there, prediction now"),
    ({"gradients": ("S", "M")}, r"gradients: \['S', 'L2', 'M'\] there, \['S', 'M'\] now"),
    ({"seeds": (0, 2)}, r"seeds: \[0, 1\] there, \[0, 2\] now"),
])
def test_resuming_with_other_settings_is_refused(settings, says):
    history = train(CONTROL, epochs=1)
    with pytest.raises(ValueError, match=f"cannot resume.*{says}"):
        train(**{"task": CONTROL, **settings}, resume=history)


def broken(kind):
    """A gradient that is S, but for the second seed NaN, infinite, or huge."""
    factor = {"nan": float("nan"), "inf": float("inf"), "huge": 1e30}[kind]
    calls = iter(range(10**6))

    def gradient(psi, target):
        number = qt.gradients["S"](psi, target)
        return number if next(calls) < 5 else number * torch.tensor([1.0, factor, 1.0])[:, None]

    return gradient


@pytest.mark.parametrize("kind", ["nan", "inf", "huge"])
@pytest.mark.parametrize("optimiser", ["Adam", "SGD"])
@pytest.mark.parametrize("task", BOTH)
def test_a_diverging_run_stops_alone(task, optimiser, kind, capsys):
    task = replace(task, optimiser=optimiser)
    healthy = train(task, {"good": qt.gradients["M"], "bad": qt.gradients["S"]}, seeds=(0, 1, 2), epochs=4)
    history = train(task, {"good": qt.gradients["M"], "bad": broken(kind)}, seeds=(0, 1, 2), epochs=4)
    assert same(history.loss[0], healthy.loss[0]) and same(history.loss[1, ::2], healthy.loss[1, ::2])
    assert same(history.test[0], healthy.test[0]) and same(history.test[1, ::2], healthy.test[1, ::2])
    if kind == "huge" and optimiser == "Adam":  # Adam does not see a factor of 1e30: nothing diverges
        assert np.isfinite(history.loss).all() and not history.diverged
        return
    gone = np.isnan(history.loss[1, 1])
    assert gone[-1] and (np.diff(gone.astype(int)) >= 0).all()  # finite, then NaN to the end
    assert history.diverged == [("bad", 1, int(gone.argmax()) + 1)]
    assert "bad, seed 1: diverged in epoch" in capsys.readouterr().out
    resumed = train(task, {"good": qt.gradients["M"], "bad": broken("nan")}, (0, 1, 2), 5, resume=history)
    assert np.isnan(resumed.loss[1, 1, -1]) and len(resumed.diverged) == 1


@pytest.mark.parametrize("normalised", [True, False])
def test_an_answer_of_all_zeros_spoils_nothing(normalised):
    task = qt.PredictionTask(count=5, steps=5, batch=25, width=4, activation="relu", normalised=normalised)
    states, _ = task.data()
    before = train(task, ("S",), range(8), 1, snapshots=[0])
    assert (qt.outputs(before, states, 0) == 0).all(-1).any(), "no network of this size answers with zeros"
    assert np.isfinite(before.loss).all() and np.isfinite(before.test).all() and not before.diverged


def test_the_file_is_whole_at_the_end_and_after_an_error(tmp_path):
    history = train(CONTROL, save=tmp_path / "end.json")
    assert same(qt.History.load(tmp_path / "end.json").loss, history.loss)
    calls = iter(range(100))

    def fails(psi, target):
        if next(calls) > 12:
            raise RuntimeError("a mistake of the reader's own")
        return qt.gradients["M"](psi, target)

    with pytest.raises(RuntimeError, match="own"):
        train(CONTROL, {"mine": fails}, epochs=9, save=tmp_path / "error.json")
    assert qt.History.load(tmp_path / "error.json").epochs >= 1


def test_settings_may_come_from_numpy(tmp_path):
    task = replace(CONTROL, target=np.int64(3), learning_rate=np.float32(0.005), dt=1)
    history = train(task, epochs=1)
    history.save(tmp_path / "run.json")
    assert qt.History.load(tmp_path / "run.json").task == replace(task, epochs=1) and type(task.target) is int


def test_the_epochs_in_the_settings_are_those_that_were_trained():
    history = train(CONTROL, epochs=2)
    assert history.task.epochs == 2
    assert train(CONTROL, epochs=3, resume=history).task.epochs == 3


def test_without_an_epoch_there_is_nothing_to_ask():
    empty = qt.History({"task": "control"}, ["S"], [0])
    with pytest.raises(ValueError, match="no epoch yet"):
        qt.outputs(empty, CONTROL.data()[0])
    with pytest.raises(ValueError, match="no epoch yet"):
        qt.figures.training_curves(empty)
    history = train(CONTROL, epochs=1)
    for states in (CONTROL.data()[0][0], CONTROL.data()[0][:, :5], CONTROL.data()[0].real):
        with pytest.raises(ValueError, match=r"complex, \(count, 20\)"):
            qt.outputs(history, states)


def test_the_progress_bar_shows_the_current_losses(capsys):
    qt.train(CONTROL, ("S", "M"), (0,), 2, progress=True)
    shown = capsys.readouterr().err
    assert "control" in shown and "2/2" in shown and "S=" in shown and "M=" in shown
    qt.train(CONTROL, ("S",), (0,), 1, progress=False)
    assert not capsys.readouterr().err


def test_the_number_of_threads_is_put_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        train(CONTROL, epochs=1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("call, says", [
    (lambda: train(CONTROL, ("S", "X")), "no gradient 'X'; there are S, L2, M"),
    (lambda: train(CONTROL, device="gpu"), "device 'gpu' is not to be had here; use 'cpu'"),
    (lambda: qt.ControlTask(batch=0), "batch must be a whole number, 1 or more; got 0"),
    (lambda: qt.ControlTask(width=2.5), "width must be a whole number, 1 or more; got 2.5"),
    (lambda: qt.ControlTask(learning_rate=float("nan")), "learning_rate must be a finite number; got nan"),
    (lambda: train(CONTROL, ()), "at least one gradient"),
    (lambda: train(CONTROL, seeds=()), "at least one gradient, one seed"),
    (lambda: train(CONTROL, epochs=0), "one epoch"),
    (lambda: train(qt.ControlTask(optimiser="Lion")), "unknown optimiser 'Lion'; there are Adam"),
    (lambda: train(qt.ControlTask(activation="sine")), "unknown activation 'sine'; there are tanh"),
    (lambda: train(qt.ControlTask(target=21)), "eigenstates 1…20; got n=21"),
    (lambda: train(qt.ControlTask(dt=-0.2)), "dt must be positive"),
])
def test_bad_input_gets_a_sentence_that_teaches(call, says):
    with pytest.raises((ValueError, KeyError), match=says):
        call()


def test_an_interrupt_inside_no_grad_leaves_gradients_on():
    def rude(psi, target):
        torch.set_grad_enabled(False)
        raise KeyboardInterrupt

    assert train(CONTROL, {"rude": rude}).interrupted
    assert torch.is_grad_enabled()
