"""Patterns and shadows that name what is not there: told, and harmless to everybody else."""

from __future__ import annotations

from collections.abc import Iterator

from tierwise_core.errors import TierwiseError
from tierwise_core.policy_patterns import (
    DualRun,
    EvaluatorOptimizer,
    OrchestratorWorkers,
    Pattern,
)
from tierwise_core.route_table import AUTO_MODEL, RouteTable
from tierwise_router.problem import Problem

__all__ = ["pattern_problems"]


def pattern_problems(table: RouteTable, policy: str) -> Iterator[Problem]:
    """Find the models that the policy's patterns and shadows name and nobody has."""
    title = f"RouterPolicy {policy}"
    patterns = table.policy.patterns
    for pattern in patterns.named:
        yield from _taken(title, pattern, table)
        for name, model in _models(pattern):
            yield from _unknown(title, f"patterns.named[{pattern.name}].{name}", model, table)
    for shadow in patterns.shadows:
        for name, model in (("of", shadow.of), ("candidate", shadow.candidate)):
            yield from _unknown(title, f"patterns.shadows[{shadow.name}].{name}", model, table)


def _models(pattern: Pattern) -> Iterator[tuple[str, str | None]]:
    match pattern.run:
        case OrchestratorWorkers() as run:
            yield "orchestratorWorkers.decomposer", run.decomposer
            yield "orchestratorWorkers.workers", run.workers
            yield "orchestratorWorkers.synthesizer", run.synthesizer
        case EvaluatorOptimizer() as run:
            yield "evaluatorOptimizer.generator", run.generator
            yield "evaluatorOptimizer.evaluator", run.evaluator
        case DualRun() as run:
            yield "dualRun.primary", run.primary
            yield "dualRun.candidate", run.candidate


def _taken(title: str, pattern: Pattern, table: RouteTable) -> Iterator[Problem]:
    if pattern.name == AUTO_MODEL or pattern.name in table.by_name:
        remedy = "a Specialist has that name, and the pattern answers in its place; rename one"
        yield Problem(title, "spec.patterns.named.name", repr(pattern.name), remedy)


def _unknown(title: str, name: str, model: str | None, table: RouteTable) -> Iterator[Problem]:
    if model is None or model == AUTO_MODEL:
        return
    if table.policy.patterns.find(model) is not None:
        remedy = "that is a pattern, and patterns do not nest; name a Specialist, or auto"
        yield Problem(title, f"spec.{name}", repr(model), remedy)
        return
    try:
        table.resolve(model)
    except TierwiseError as error:
        yield Problem(title, f"spec.{name}", repr(model), str(error))
