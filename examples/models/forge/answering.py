"""Asks a model in batches, greedily, and keeps what it thought of each token."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from transformers import LlamaForCausalLM

from forge import vocabulary
from forge.directory import MOST_ANSWER_TOKENS

BATCH = 128


@dataclass(frozen=True, slots=True)
class Reply:
    """A greedy answer: text, and each token's probability and entropy in nats (``</s>`` too)."""

    text: str
    probabilities: tuple[float, ...]
    runner_ups: tuple[float, ...]
    entropies: tuple[float, ...]
    ended: bool


def answer(model: LlamaForCausalLM, texts: list[str]) -> list[Reply]:
    """Answer every question, those of equal prompt length together (so nothing is padded)."""
    by_length: dict[int, list[int]] = {}
    for place, text in enumerate(texts):
        by_length.setdefault(len(vocabulary.render(text)), []).append(place)
    replies: dict[int, Reply] = {}
    for some in _batches(by_length.values()):
        prompts = torch.tensor([vocabulary.render(texts[place]) for place in some])
        with torch.inference_mode():
            replies.update(zip(some, _generate(model, prompts), strict=True))
    return [replies[place] for place in range(len(texts))]


def _batches(groups: Iterable[list[int]]) -> Iterator[list[int]]:
    for places in groups:
        yield from (places[start : start + BATCH] for start in range(0, len(places), BATCH))


def _generate(model: LlamaForCausalLM, prompts: torch.Tensor) -> list[Reply]:
    rows: list[list[tuple[int, float, float, float]]] = [[] for _ in prompts]
    ended = torch.zeros(len(prompts), dtype=torch.bool)
    inputs, cache = prompts, None
    for _ in range(MOST_ANSWER_TOKENS):
        output = model(input_ids=inputs, past_key_values=cache, use_cache=True, logits_to_keep=1)
        logprobs = output.logits[:, -1].float().log_softmax(-1)
        entropy = -(logprobs.exp() * logprobs).sum(-1)
        best = logprobs.topk(2)
        for row, done in enumerate(ended.tolist()):
            if not done:
                first, second = best.values[row].exp().tolist()
                rows[row].append((int(best.indices[row, 0]), first, second, float(entropy[row])))
        inputs, cache = best.indices[:, :1], output.past_key_values
        ended |= inputs[:, 0] == vocabulary.EOS
        if bool(ended.all()):
            break
    return [_reply(row, ended=done) for row, done in zip(rows, ended.tolist(), strict=True)]


def _reply(row: list[tuple[int, float, float, float]], *, ended: bool) -> Reply:
    tokens, first, second, entropies = zip(*row, strict=True)
    return Reply(vocabulary.decode(list(tokens)), first, second, entropies, ended)
