"""Schedules against torch's own schedulers."""

import pytest
import torch

from sklearn_trainkit.neural_network.engines._learning_rates import LRSchedule

N_EPOCHS, STEPS = 6, 5


def torch_course(make_scheduler, per_step):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scheduler = make_scheduler(optimizer)
    course = []
    for step in range(N_EPOCHS * STEPS):
        course.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if per_step or (step + 1) % STEPS == 0:
            scheduler.step()
    return course


def our_course(schedule, params=None):
    ours = LRSchedule(schedule, params, N_EPOCHS, STEPS)
    return [ours.factor(step) for step in range(N_EPOCHS * STEPS)]


lr_scheduler = torch.optim.lr_scheduler
CASES = {
    "cosine": (
        "cosine",
        {"final_factor": 0.1},
        lambda o: lr_scheduler.CosineAnnealingLR(o, N_EPOCHS * STEPS, eta_min=0.1),
        True,
    ),
    "one_cycle": (
        "one_cycle",
        None,
        lambda o: lr_scheduler.OneCycleLR(o, 1.0, N_EPOCHS * STEPS, cycle_momentum=False),
        True,
    ),
    "step": (
        "step",
        {"step_size": 2, "gamma": 0.5},
        lambda o: lr_scheduler.StepLR(o, 2, 0.5),
        False,
    ),
    "exponential": (
        "exponential",
        {"gamma": 0.8},
        lambda o: lr_scheduler.ExponentialLR(o, 0.8),
        False,
    ),
    "linear": (
        "linear",
        {"final_factor": 0.2},
        lambda o: lr_scheduler.LinearLR(o, 1.0, 0.2, N_EPOCHS * STEPS),
        True,
    ),
    "constant": ("constant", None, lambda o: lr_scheduler.ConstantLR(o, 1.0), False),
    "callable": (
        lambda progress: 1 - progress / 2,
        None,
        lambda o: lr_scheduler.LambdaLR(o, lambda step: 1 - step / (N_EPOCHS * STEPS) / 2),
        True,
    ),
}


@pytest.mark.filterwarnings("ignore:Detected call of:UserWarning")
@pytest.mark.parametrize("case", CASES)
def test_the_course_is_torchs(case):
    schedule, params, make_scheduler, per_step = CASES[case]
    assert our_course(schedule, params) == pytest.approx(torch_course(make_scheduler, per_step))


def test_plateau_follows_torchs_rule():
    losses = [3.0, 2.0, 2.1, 2.2, 2.3, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=2, threshold=0.0)
    ours = LRSchedule("plateau", {"factor": 0.5, "patience": 2}, len(losses), 1)
    for loss in losses:
        theirs.step(loss)
        ours.end_epoch(loss)
        assert ours.factor(0) == pytest.approx(optimizer.param_groups[0]["lr"])


def test_warmup_rises_in_a_straight_line():
    course = our_course("constant", {"warmup": 0.2})
    assert course[:7] == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1.0, 1.0])


def test_steps_beyond_the_plan_keep_the_last_factor():
    schedule = LRSchedule("cosine", None, 2, 3)
    assert schedule.factor(100) == schedule.factor(5)


def test_unknown_settings_are_named():
    with pytest.raises(ValueError, match=r"lr_schedule_params has \['gama'\].*'gamma'"):
        LRSchedule("step", {"gama": 0.1}, 2, 3)
    with pytest.raises(ValueError, match=r"\['warmup'\] is a share"):
        LRSchedule("step", {"warmup": 2}, 2, 3)


@pytest.mark.parametrize(
    ("schedule", "params"),
    [
        ("one_cycle", {"pct_start": 2.0}),
        ("one_cycle", {"div_factor": -3}),
        ("step", {"step_size": 0}),
    ],
)
def test_settings_out_of_range_are_named(schedule, params):
    (name,) = params
    with pytest.raises(ValueError, match=rf"lr_schedule_params\['{name}'\] must be from"):
        LRSchedule(schedule, params, 2, 3)
