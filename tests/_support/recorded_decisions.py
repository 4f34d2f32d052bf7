"""A decision as a router writes it down: an escalation from a generalist to the frontier."""

from __future__ import annotations

from typing import Any

from tierwise_core.decision_record import CandidateRecord, DecisionRecord, StepRecord

SCORES = {"cost": 0.9, "load": 1.0, "latency-class": 1.0, "session-affinity": 0.5}


def an_escalation(**changed: Any) -> DecisionRecord:
    """Nobody of the fields was sure before, the generalist was not sure afterwards."""
    given: dict[str, Any] = {
        "id": "d-x7k2p-076779f8-000003",
        "at": 1795339516.0,
        "endpoint": "/chat/completions",
        "model": "auto",
        "query_id": "0f3ab1c2d4e5f607",
        "field": None,
        "field_probability": 0.62,
        "in_domain": 0.07,
        "field_shares": {"reversing": 0.62, "sorting": 0.38},
        "candidates": (
            CandidateRecord(
                "default/generalist", "rtx-4090", predicted=0.85, floor=0.80,
                expected_usd=0.000111, scores=SCORES, total=0.93, why="field 'general'",
            ),
            CandidateRecord(
                "default/frontier", "h100", predicted=0.93, support=57.0, floor=0.55,
                expected_usd=0.000833, scores={**SCORES, "cost": 0.55}, total=0.70,
                why="field 'general'",
            ),
        ),
        "elsewhere": {"default/reverser": "reversing", "default/sorter": "sorting"},
        "elsewhere_count": 2,
        "steps": (
            StepRecord(
                "default/generalist", "rtx-4090", pod="generalist-6c9f-x2x", predicted=0.85,
                confidence=0.41, floor=0.80, verdict="escalate", seconds=0.12, cost_usd=0.0000133,
            ),
            StepRecord(
                "default/frontier", "h100", pod="frontier-7d4b-p9q", predicted=0.93,
                confidence=0.97, floor=0.55, verdict="accept", seconds=0.05, cost_usd=0.0000387,
                checks=({"name": "non-empty", "passed": True, "detail": ""},), verified=True,
            ),
        ),
        "state": "escalated",
        "status": 200,
        "specialist": "default/frontier",
        "calls": 2,
        "max_calls": 8,
        "max_hops": 4,
        "cost_usd": 0.000052,
        "seconds": 0.17,
    }  # fmt: skip
    return DecisionRecord(**{**given, **changed})
