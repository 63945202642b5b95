"""Standard documents: load, validate, and the parameters that they fix or bound."""

from wardstack.standards.load import load_standards
from wardstack.standards.model import Clause, Deviation, Parameter, Standard, Standards
from wardstack.standards.problems import DocumentErrors, Problem

__all__ = [
    "Clause", "Deviation", "DocumentErrors", "Parameter", "Problem", "Standard", "Standards", "load_standards",
]  # fmt: skip
