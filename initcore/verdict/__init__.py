"""Will this network, with these weights, learn at all? One call, one verdict, causes and cures."""

from .._doors import called_by
from ..rules import Finding
from ._check import check
from ._module import ModuleReport
from ._report import Report

__all__ = ["Finding", "ModuleReport", "Report", "check"]

called_by(globals())
