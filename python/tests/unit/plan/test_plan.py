"""What a plan says, in which order, and what it refuses."""

from __future__ import annotations

import threading

import pytest

from tests.unit.plan.blueprints import blueprint
from tests.unit.plan.memory_engine import MemoryEngine
from wardstack.engines.base import Problem
from wardstack.plan import Plan, PlanFailed, execute, make_plan
from wardstack.plan.execute import Progress
from wardstack.plan.order import prerequisites


def plan_of(engine: MemoryEngine, nodes: int = 3, memory_mib: int = 1280) -> Plan:
    return make_plan(engine, blueprint(nodes, memory_mib=memory_mib), engine.observe())


def built(nodes: int = 3) -> MemoryEngine:
    engine = MemoryEngine()
    wanted = blueprint(nodes)
    state = engine.observe()
    execute(engine, wanted, state, make_plan(engine, wanted, state))
    return engine


def test_everything_comes_after_what_it_needs() -> None:
    engine, wanted = MemoryEngine(), blueprint()
    order = [action.id for action in plan_of(engine).actions]
    for identity, needs in prerequisites(engine, wanted).items():
        for need in needs:
            assert order.index(need) < order.index(identity), f"{identity} before {need}"


def test_execution_keeps_that_order_though_several_run_at_once() -> None:
    engine = built()
    order = [entry.split()[1] for entry in engine.applied]
    for identity, needs in prerequisites(engine, blueprint()).items():
        assert all(order.index(need) < order.index(identity) for need in needs)


def test_second_plan_is_empty() -> None:
    """STD-10.2."""
    assert plan_of(built()).actions == ()


def test_the_same_input_gives_the_same_plan() -> None:
    assert plan_of(MemoryEngine()).digest() == plan_of(MemoryEngine()).digest()


def test_every_action_carries_its_clauses_and_reason() -> None:
    """STD-10.1."""
    for action in plan_of(MemoryEngine()).actions:
        assert action.clauses == ("STD-04.1",)
        assert action.reason == "does not exist"


def test_a_change_says_what_differs_and_that_it_interrupts() -> None:
    actions = plan_of(built(), memory_mib=2048).actions
    assert [(a.op, a.id, a.interrupts) for a in actions] == [("update", f"vm/a{i}", True) for i in (1, 2, 3)]
    assert actions[0].reason == "memory_mib is 1280, wanted 2048"


def test_removal_goes_backwards_and_names_every_volume_that_it_would_destroy() -> None:
    plan = plan_of(built(3), nodes=2)
    assert [a.id for a in plan.actions if a.op == "delete"] == ["ha/a3", "vm/a3", "volume/a3-data", "volume/a3-system"]
    assert [p.where for p in plan.refused(["volume/a3-data"])] == ["volume/a3-system"]


def test_destruction_that_was_not_named_stops_the_whole_plan() -> None:
    engine = built(3)
    wanted, state = blueprint(2), engine.observe()
    applied = list(engine.applied)
    with pytest.raises(PlanFailed, match="allow_destroy"):
        execute(engine, wanted, state, make_plan(engine, wanted, state))
    assert engine.applied == applied


def test_every_problem_is_said_before_the_first_change() -> None:
    engine = MemoryEngine()
    engine.problems = [Problem("h2", "does not answer", "Switch it on"), Problem("h3", "lacks memory", "Add some")]
    engine.unsupported = {"filesystem": "this engine has no file systems"}
    wanted, state = blueprint(), engine.observe()
    with pytest.raises(PlanFailed) as failure:
        execute(engine, wanted, state, make_plan(engine, wanted, state))
    assert [p.where for p in failure.value.problems] == ["filesystem/archive", "h2", "h3"]
    assert "STD-04.1" in str(failure.value)
    assert engine.applied == []


def test_a_failure_names_what_was_done_and_what_was_not_begun() -> None:
    engine = MemoryEngine()
    engine.fail_after = 5
    wanted, state = blueprint(), engine.observe()
    plan = make_plan(engine, wanted, state)
    with pytest.raises(PlanFailed, match="died half-way") as failure:
        execute(engine, wanted, state, plan)
    assert len(failure.value.done) == 5
    assert failure.value.waiting


def test_stopped_from_outside_it_begins_nothing_new_and_continues_later() -> None:
    engine, wanted, stop = MemoryEngine(), blueprint(), threading.Event()

    def progress(step: Progress) -> None:
        if step.done >= 3:
            stop.set()

    state = engine.observe()
    with pytest.raises(PlanFailed, match="was stopped"):
        execute(engine, wanted, state, make_plan(engine, wanted, state), progress=progress, stop=stop)
    state = engine.observe()
    execute(engine, wanted, state, make_plan(engine, wanted, state))
    assert make_plan(engine, wanted, engine.observe()).actions == ()
