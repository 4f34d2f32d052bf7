"""Orchestrator and workers: take a request apart, answer side by side, join."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict

from tierwise_core.decompose import decomposition_prompt, read_parts, split_parts
from tierwise_core.merge import Merged, PartAnswer, merge, synthesis_prompt
from tierwise_core.policy_patterns import OrchestratorWorkers
from tierwise_router.patterns.asking import Asker, Reply
from tierwise_router.patterns.result import Answered, Declined, Result

__all__ = ["Tell", "orchestrate"]

Tell = Callable[[str], Awaitable[None]]
"""Tells a client that reads a stream how far its request has come."""

BAD_GATEWAY = 502


async def orchestrate(rule: OrchestratorWorkers, asker: Asker, text: str, tell: Tell) -> Result:
    """Run the pattern on one request."""
    parts, planning = await _parts(rule, asker, text)
    await tell(f"{len(parts)} parts")
    replies = await _answer_all(rule, asker, parts, tell)
    if all(reply.failure for reply in replies):
        return _declined(replies, planning)
    merged = merge([_part(part, reply) for part, reply in zip(parts, replies, strict=True)])
    # The reply to a part that was asked once for several is one reply.
    distinct = {id(reply): reply for reply in replies}.values()
    return await _written(rule, asker, text, merged, (*planning, *distinct))


async def _parts(
    rule: OrchestratorWorkers, asker: Asker, text: str
) -> tuple[tuple[str, ...], tuple[Reply, ...]]:
    if rule.decomposer is None:
        return split_parts(text, rule.max_parts), ()
    prompt = decomposition_prompt(text, rule.max_parts)
    reply = await asker.ask("decompose", rule.decomposer, prompt, alone=True)
    # A decomposer that fails, or speaks no list, must not cost the client its answer.
    return read_parts(reply.text, rule.max_parts) or (text,), (reply,)


async def _answer_all(
    rule: OrchestratorWorkers, asker: Asker, parts: tuple[str, ...], tell: Tell
) -> list[Reply]:
    # Equal parts are asked once: whoever comes second waits for the first.
    running: dict[str, asyncio.Task[Reply]] = {}
    at_a_time = asyncio.Semaphore(rule.max_parallel)

    async def answer(number: int, part: str) -> Reply:
        async with at_a_time:
            reply = await asker.ask(f"part-{number}", rule.workers, part)
        await tell(f"part {number} of {len(parts)}: {reply.failure or reply.specialist}")
        return reply

    async with asyncio.TaskGroup() as group:
        for number, part in enumerate(parts, 1):
            if part not in running:
                running[part] = group.create_task(answer(number, part))
    return [running[part].result() for part in parts]


def _part(part: str, reply: Reply) -> PartAnswer:
    return PartAnswer(
        part,
        reply.text,
        reply.specialist,
        reply.tier,
        reply.confidence,
        reply.cost_usd,
        reply.decision,
        reply.failure,
    )


async def _written(
    rule: OrchestratorWorkers, asker: Asker, text: str, merged: Merged, replies: tuple[Reply, ...]
) -> Result:
    detail = {
        "sources": [asdict(source) for source in merged.sources],
        "complete": merged.complete,
        "merged_by": "rule",
    }
    if rule.synthesizer is None or len(merged.sources) == 1:
        return Answered(merged.text, replies, merged.confidence, detail)
    prompt = synthesis_prompt(text, merged)
    reply = await asker.ask("synthesize", rule.synthesizer, prompt, alone=True)
    replies = (*replies, reply)
    if reply.failure:
        detail["synthesis_failed"] = reply.failure
        return Answered(merged.text, replies, merged.confidence, detail)
    detail["merged_by"] = reply.specialist
    return Answered(reply.text, replies, _both(merged.confidence, reply.confidence), detail)


def _both(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one * other


def _declined(replies: list[Reply], planning: tuple[Reply, ...]) -> Declined:
    first = replies[0]
    codes = {reply.status for reply in replies}
    status = codes.pop() if len(codes) == 1 and first.status >= 400 else BAD_GATEWAY  # noqa: PLR2004 - the first error status
    return Declined(
        status,
        "no_part_answered",
        f"none of the {len(replies)} parts got an answer; the first: {first.failure}",
        (*planning, *replies),
    )
