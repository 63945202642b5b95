"""The ordered difference between a blueprint and what an engine observes, and its execution."""

from wardstack.plan.difference import make_plan as make_plan
from wardstack.plan.document import Plan as Plan
from wardstack.plan.execute import PlanFailed as PlanFailed
from wardstack.plan.execute import execute as execute
