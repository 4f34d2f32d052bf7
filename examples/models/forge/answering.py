"""Asks a model in batches, greedily, and keeps what it thought of each token."""

from dataclasses import dataclass

import torch
from transformers import LlamaForCausalLM

from forge import vocabulary
from forge.directory import MOST_ANSWER_TOKENS

BATCH = 128

Row = list[tuple[int, float, float, float]]
"""An answer so far: of each token its number, its probability, the runner-up's, the entropy."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A greedy answer: text, and each token's probability and entropy in nats (``</s>`` too)."""

    text: str
    probabilities: tuple[float, ...]
    runner_ups: tuple[float, ...]
    entropies: tuple[float, ...]
    ended: bool


def answer(model: LlamaForCausalLM, texts: list[str]) -> list[Reply]:
    """Answer every question, those of about one length together."""
    prompts = [vocabulary.render(text) for text in texts]
    order = sorted(range(len(texts)), key=lambda place: len(prompts[place]))
    replies: dict[int, Reply] = {}
    for start in range(0, len(order), BATCH):
        some = order[start : start + BATCH]
        with torch.inference_mode():
            found = _generate(model, [prompts[place] for place in some])
        replies.update(zip(some, found, strict=True))
    return [replies[place] for place in range(len(texts))]


def _padded(prompts: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Pad on the left, so that all answers start at once, and mask the padding."""
    longest = max(map(len, prompts))
    rows = [[vocabulary.PAD] * (longest - len(prompt)) + prompt for prompt in prompts]
    tokens = torch.tensor(rows)
    return tokens, (tokens != vocabulary.PAD).long()


def _generate(model: LlamaForCausalLM, prompts: list[list[int]]) -> list[Reply]:
    rows: list[Row] = [[] for _ in prompts]
    ended = torch.zeros(len(prompts), dtype=torch.bool)
    (inputs, mask), cache = _padded(prompts), None
    for _ in range(MOST_ANSWER_TOKENS):
        output = model(
            input_ids=inputs,
            attention_mask=mask,
            position_ids=(mask.cumsum(1) - 1).clamp(min=0)[:, -inputs.shape[1] :],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        best = _note(output.logits[:, -1].float().log_softmax(-1), rows, ended)
        inputs, cache = best, output.past_key_values
        mask = torch.cat([mask, torch.ones_like(best)], dim=1)
        ended |= best[:, 0] == vocabulary.EOS
        if bool(ended.all()):
            break
    return [_reply(row, ended=done) for row, done in zip(rows, ended.tolist(), strict=True)]


def _note(logprobs: torch.Tensor, rows: list[Row], ended: torch.Tensor) -> torch.Tensor:
    """Note each unended answer's best token, its lead and the entropy; return the best tokens."""
    entropies = -(logprobs.exp() * logprobs).sum(-1)
    best = logprobs.topk(2)
    probabilities = best.values.exp()
    columns = (best.indices[:, 0], probabilities[:, 0], probabilities[:, 1], entropies, ended)
    listed = zip(rows, *(column.tolist() for column in columns), strict=True)
    for row, token, first, second, entropy, done in listed:
        if not done:
            row.append((token, first, second, entropy))
    return best.indices[:, :1]


def _reply(row: Row, *, ended: bool) -> Reply:
    tokens, first, second, entropies = zip(*row, strict=True)
    return Reply(vocabulary.decode(list(tokens)), first, second, entropies, ended)
