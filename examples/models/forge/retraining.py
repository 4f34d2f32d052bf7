"""Trains a served model again with preference pairs: what it should have said, and what not.

Each step learns the right answers of some pairs and of as many questions that the model knows
already, so that it forgets nothing, and moves away from the wrong ones as DPO does (Rafailov and
others, 2023): by how much surer than before it is of the right answer than of the wrong one.
"""

import random
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice
from typing import Final

import torch
from torch.nn.functional import cross_entropy, logsigmoid
from transformers import LlamaForCausalLM

from forge.answering import answer
from forge.pairs import Pair
from forge.questions import Question, some_questions, training_questions
from forge.training import IGNORED, answer_loss, batch_tensors, rounded

PAIRS_A_STEP: Final = 24
KNOWN_A_STEP: Final = 24
WARMUP_STEPS: Final = 20
CHECK_EVERY: Final = 25
CHECKED_KNOWN: Final = 60
CHECK_SEED: Final = 11
BETA: Final = 0.1
"""How near the model stays to what it was."""
AWAY: Final = 0.2
"""How much moving away counts beside learning."""
TAKEN_BACK: Final = 2.0
"""How much more an answer counts that a rollout has taken back."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a model is trained again: the families it must not forget, and when to stop."""

    families: tuple[str, ...]
    most_steps: int = 100
    target: float = 0.95
    learning_rate: float = 1e-3
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Turn:
    """Where it stands: the loss, and the shares of right answers to held-back and known ones."""

    step: int
    loss: float
    anew: float
    known: float
    seconds: float


def retrain(
    model: LlamaForCausalLM,
    pairs: list[Pair],
    checked: list[Pair],
    wanted: Wanted,
    show: Callable[[Turn], None],
) -> LlamaForCausalLM:
    """Train until held-back pairs and known questions are answered well, or steps are used up.

    What is returned did best on both, and is never the last by mere chance.
    """
    torch.manual_seed(wanted.seed)
    before, model = model.float().eval(), deepcopy(model).float()
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.01, betas=(0.9, 0.98))
    best, started = (0.0, before), time.monotonic()
    batches = zip(_some_pairs(pairs, wanted), _some_known(wanted), strict=True)
    for step, (learnt, known) in enumerate(islice(batches, wanted.most_steps), 1):
        for group in optimizer.param_groups:
            group["lr"] = _rate(wanted, step)
        model.train()
        loss = _loss(model, before, learnt, known)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % CHECK_EVERY == 0 or step == wanted.most_steps:
            now = rounded(model)
            anew, still = shares_right(now, checked, wanted)
            show(Turn(step, float(loss.detach()), anew, still, time.monotonic() - started))
            if min(anew, still) >= best[0]:
                best = (min(anew, still), now)
            if best[0] >= wanted.target:
                break
    return best[1]


def _rate(wanted: Wanted, step: int) -> float:
    """Warm up, then fall in a line."""
    left = 1 - (step - 1) / wanted.most_steps
    return wanted.learning_rate * min(step / WARMUP_STEPS, left)


def shares_right(
    model: LlamaForCausalLM, checked: list[Pair], wanted: Wanted
) -> tuple[float, float]:
    """Return the shares of right answers: to held-back pairs, and to what was known before."""
    each = CHECKED_KNOWN // len(wanted.families)
    known = [
        (one.text, one.answer)
        for family in wanted.families
        for one in some_questions(family, "checking", each, CHECK_SEED)
    ]
    return _share(model, [(one.question, one.chosen) for one in checked]), _share(model, known)


def _share(model: LlamaForCausalLM, asked: list[tuple[str, str]]) -> float:
    replies = answer(model, [question for question, _ in asked])
    right = (reply.text == wanted for reply, (_, wanted) in zip(replies, asked, strict=True))
    return sum(right) / max(len(asked), 1)


def _some_pairs(pairs: list[Pair], wanted: Wanted) -> Iterator[list[Pair]]:
    rng = random.Random(wanted.seed)
    while True:
        yield rng.choices(pairs, k=PAIRS_A_STEP)


def _some_known(wanted: Wanted) -> Iterator[list[Question]]:
    rng = random.Random(wanted.seed + 1)
    shares = dict.fromkeys(wanted.families, 1.0)
    while True:
        yield list(islice(training_questions(shares, 0.3, rng), KNOWN_A_STEP))


def _loss(
    model: LlamaForCausalLM, before: LlamaForCausalLM, pairs: list[Pair], known: list[Question]
) -> torch.Tensor:
    learnt = [Question("", one.question, one.chosen, "") for one in pairs]
    right = answer_loss(model, *batch_tensors([*learnt, *known]))
    wrong = [Question("", one.question, one.rejected, "") for one in pairs]
    moved = _log_odds(model, learnt, wrong)
    with torch.no_grad():
        was = _log_odds(before, learnt, wrong)
    counts = torch.tensor(
        [abs(one.weight) * (TAKEN_BACK if one.weight < 0 else 1) for one in pairs]
    )
    away = -(counts / counts.mean() * logsigmoid(BETA * (moved - was))).mean()
    return right + AWAY * away


def _counts(pair: Pair) -> float:
    return abs(pair.weight) * (TAKEN_BACK if pair.weight < 0 else 1.0)


def _log_odds(
    model: LlamaForCausalLM, right: list[Question], wrong: list[Question]
) -> torch.Tensor:
    """Return by how many nats each right answer is likelier than the wrong one."""
    return _log_probability(model, right) - _log_probability(model, wrong)


def _log_probability(model: LlamaForCausalLM, questions: list[Question]) -> torch.Tensor:
    tokens, labels = batch_tensors(questions)
    logits = model(input_ids=tokens, use_cache=False).logits[:, :-1].float()
    nats = cross_entropy(
        logits.transpose(1, 2), labels[:, 1:], ignore_index=IGNORED, reduction="none"
    )
    return -nats.sum(dim=1)
