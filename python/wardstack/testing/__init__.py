"""`wardstack test`: what is run, in which order, and how its results are told."""

from wardstack.testing.runner import run_tests

__all__ = ["run_tests"]
