"""STD-03.4, STD-05.8: from any half-applied state a plan converges, and nothing is destroyed by the way."""

from __future__ import annotations

import contextlib

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.unit.plan.blueprints import blueprint
from tests.unit.plan.memory_engine import DESTROYING, MemoryEngine
from wardstack.plan import PlanFailed, execute, make_plan


class Convergence(RuleBasedStateMachine):
    """A site whose wishes change, whose runs are killed, and whose cloud drifts."""

    @initialize()
    def begin(self) -> None:
        self.engine = MemoryEngine()
        self.wanted = blueprint()
        self.allowed: set[str] = set()

    @rule(nodes=st.integers(0, 4), replicas=st.integers(2, 3), memory=st.sampled_from([1280, 2048]))
    def wish(self, nodes: int, replicas: int, memory: int) -> None:
        self.wanted = blueprint(nodes, replicas, memory)

    @rule(after=st.integers(0, 30))
    def killed_run(self, after: int) -> None:
        self.engine.fail_after = after
        state = self.engine.observe()
        with contextlib.suppress(PlanFailed):
            execute(self.engine, self.wanted, state, make_plan(self.engine, self.wanted, state))
        self.engine.fail_after = None

    @rule(data=st.data())
    def drift(self, data: st.DataObject) -> None:
        if self.engine.resources:
            identity = data.draw(st.sampled_from(sorted(self.engine.resources)))
            self.engine.resources[identity]["complete"] = data.draw(st.sampled_from([False, "by hand"]))

    @rule(name=st.sampled_from(["mine", "other"]))
    def somebody_elses_pool(self, name: str) -> None:
        self.engine.resources[f"pool/{name}"] = {"replicas": 1}
        self.engine.foreign.add(f"pool/{name}")

    @rule()
    def full_run(self) -> None:
        state = self.engine.observe()
        plan = make_plan(self.engine, self.wanted, state)
        refused = plan.refused(())
        before = {k: dict(v) for k, v in self.engine.resources.items()}
        if refused:
            try:
                execute(self.engine, self.wanted, state, plan)
                raise AssertionError("data would have been destroyed without being named")
            except PlanFailed:
                assert self.engine.resources == before, "a refused plan changed something"
            self.allowed |= {problem.where for problem in refused}
        execute(self.engine, self.wanted, state, plan, allow_destroy={problem.where for problem in refused})
        again = make_plan(self.engine, self.wanted, self.engine.observe())
        assert again.actions == ()

    @invariant()
    def only_what_was_named_is_destroyed(self) -> None:
        assert set(self.engine.destroyed) <= self.allowed
        assert all(identity.split("/")[0] in DESTROYING for identity in self.engine.destroyed)

    @invariant()
    def what_is_somebody_elses_stays(self) -> None:
        assert self.engine.foreign <= set(self.engine.resources)

    @invariant()
    def two_vms_never_stop_at_once(self) -> None:
        assert self.engine.most_at_once_while_interrupting <= 1


TestConvergence = Convergence.TestCase
TestConvergence.settings = settings(max_examples=40, stateful_step_count=12, deadline=None)
