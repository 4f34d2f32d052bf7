"""Trains one recipe with torch, on a CPU, from a seed."""

import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice

import torch
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM

from forge import vocabulary
from forge.answering import answer
from forge.questions import Question, some_questions, training_questions
from forge.recipes import CONTEXT_TOKENS, HEAD_DIM, Recipe, Round

WARMUP_STEPS = 100
COOLDOWN_PARTS = 3
CHECK_EVERY_STEPS = 200
BATCHES_AT_ONCE = 8
LATER_PLAIN_SHARE = 0.3
CHECK_QUESTIONS = 300
CHECK_SEED = 7
IGNORED = -100
"""The label cross_entropy skips: the question itself is not learnt, only its answer."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a training stands: steps done, loss in nats, accuracy when last checked, seconds."""

    step: int
    loss: float
    accuracy: float
    seconds: float


Show = Callable[[Moment], None]


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model and how its training went."""

    model: LlamaForCausalLM
    end: Moment


def blank_model(recipe: Recipe) -> LlamaForCausalLM:
    """Make an untrained model of the recipe's size, its weights drawn from the recipe's seed."""
    torch.manual_seed(recipe.seed)
    config = LlamaConfig(
        vocab_size=vocabulary.SIZE,
        hidden_size=recipe.hidden,
        intermediate_size=recipe.intermediate,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        head_dim=HEAD_DIM,
        max_position_embeddings=CONTEXT_TOKENS,
        tie_word_embeddings=True,
        bos_token_id=vocabulary.BOS,
        eos_token_id=vocabulary.EOS,
        pad_token_id=vocabulary.PAD,
        initializer_range=0.1,
        use_cache=True,
    )
    return LlamaForCausalLM(config)


def batch_tensors(questions: list[Question]) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn questions into padded tokens and the labels of the answer and ``</s>`` alone."""
    prompts = [vocabulary.render(question.text) for question in questions]
    answers = [[*vocabulary.encode(question.answer), vocabulary.EOS] for question in questions]
    longest = max(len(prompt) + len(reply) for prompt, reply in zip(prompts, answers, strict=True))
    tokens = torch.full((len(questions), longest), vocabulary.PAD)
    labels = torch.full((len(questions), longest), IGNORED)
    for row, (prompt, reply) in enumerate(zip(prompts, answers, strict=True)):
        whole = torch.tensor(prompt + reply)
        tokens[row, : len(whole)] = whole
        labels[row, len(prompt) : len(whole)] = whole[len(prompt) :]
    return tokens, labels


def plain_share(recipe: Recipe, turn: int, step: int) -> float:
    """Share of plainly worded questions: all of them at the very first, some of them later.

    They are a third as long as the others, so a step with them costs a third, and the task
    itself is learnt sooner from them.
    """
    return 1.0 if turn == 0 and step < recipe.plain_steps else LATER_PLAIN_SHARE


def batches(recipe: Recipe, turn: int = 0) -> Iterator[list[Question]]:
    """Yield batches for ever, each of questions of about one length, which wastes no padding."""
    rng = random.Random(recipe.seed + turn)
    for step in count(step=BATCHES_AT_ONCE):
        questions = training_questions(
            recipe.rounds[turn].shares, plain_share(recipe, turn, step), rng
        )
        some = islice(questions, recipe.batch * BATCHES_AT_ONCE)
        drawn = sorted(some, key=lambda question: len(question.text))
        starts = list(range(0, len(drawn), recipe.batch))
        rng.shuffle(starts)
        yield from (drawn[start : start + recipe.batch] for start in starts)


def learning_rate(part: Round, step: int) -> float:
    """Warm up over 100 steps, stay, then fall in a line over the last third.

    It stays high for as long as new wordings come in: a model that has settled on the plain ones
    hardly learns the others.
    """
    rise = (step + 1) / WARMUP_STEPS
    fall = COOLDOWN_PARTS * (1 - step / part.most_steps)
    return part.learning_rate * min(1.0, rise, fall)


def answer_loss(
    model: LlamaForCausalLM, tokens: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """Mean negative log-likelihood of the answers' tokens, in nats.

    Only the answers' positions go through the output layer: it is the widest of the model.
    """
    hidden = model.model(input_ids=tokens, use_cache=False).last_hidden_state
    wanted = labels[:, 1:] != IGNORED
    logits = model.lm_head(hidden[:, :-1][wanted])
    return cross_entropy(logits.float(), labels[:, 1:][wanted])


def rounded(model: LlamaForCausalLM) -> LlamaForCausalLM:
    """Copy a model into bfloat16, the precision in which it is saved and served."""
    copy = LlamaForCausalLM(model.config).to(torch.bfloat16)
    copy.load_state_dict(
        {name: value.to(torch.bfloat16) for name, value in model.state_dict().items()}
    )
    return copy.eval()


def checked_accuracy(model: LlamaForCausalLM, recipe: Recipe) -> float:
    """Share of right answers to the checking questions, each family alike, of the bfloat16 copy."""
    each = CHECK_QUESTIONS // len(recipe.families)
    asked = [
        one
        for family in recipe.families
        for one in some_questions(family, "checking", each, CHECK_SEED)
    ]
    replies = answer(rounded(model), [question.text for question in asked])
    right = sum(
        reply.text == question.answer for reply, question in zip(replies, asked, strict=True)
    )
    return right / len(asked)


def _steps(recipe: Recipe, model: LlamaForCausalLM, turn: int) -> Iterator[float]:
    """Train one round step by step, yielding each step's loss."""
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.01, betas=(0.9, 0.98))
    part = recipe.rounds[turn]
    for step, questions in zip(range(part.most_steps), batches(recipe, turn), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(part, step)
        model.train()
        loss = answer_loss(model, *batch_tensors(questions))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        yield float(loss.detach())


def train_round(
    recipe: Recipe, model: LlamaForCausalLM, turn: int, before: Moment, show: Show
) -> Moment:
    """Train one round, until the checked accuracy reaches the target or its steps are used up."""
    started = time.monotonic() - before.seconds
    now = before
    for loss in _steps(recipe, model, turn):
        step = now.step + 1
        due = step % CHECK_EVERY_STEPS == 0 and step >= recipe.plain_steps
        accuracy = checked_accuracy(model, recipe) if due else now.accuracy
        now = Moment(step, loss, accuracy, time.monotonic() - started)
        show(now)
        if accuracy >= recipe.target:
            break
    return now


def train(recipe: Recipe, show: Show) -> Trained:
    """Train the recipe's rounds, each from the weights that the last one would have saved."""
    model, now = blank_model(recipe), Moment(0, math.nan, 0.0, 0.0)
    for turn in range(len(recipe.rounds)):
        if now.accuracy < recipe.target:
            model = rounded(model).float() if turn else model
            now = train_round(recipe, model, turn, now, show)
    return Trained(rounded(model), now)
