"""Trains a LoRA adapter on a finished model, and writes it in PEFT's format.

A frozen matrix W gets two small ones beside it: ``W x + (alpha / rank) B A x``. A starts random and
B at zero, so that the untrained adapter changes nothing. Only A and B are trained and saved.
"""

import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import LlamaForCausalLM

from forge.adapter_recipes import AdapterRecipe
from forge.answering import answer
from forge.directory import MODELS, load, read_json, write_json
from forge.questions import Question, some_questions, training_questions
from forge.training import (
    BATCHES_AT_ONCE,
    CHECK_QUESTIONS,
    CHECK_SEED,
    Moment,
    Show,
    answer_loss,
    batch_tensors,
)

PREFIX: Final = "base_model.model."
CONFIG: Final = "adapter_config.json"
WEIGHTS: Final = "adapter_model.safetensors"
CHECK_EVERY_STEPS: Final = 100


class Adapted(nn.Module):  # type: ignore[misc]  # without torch there is no such class
    """A frozen linear layer with a trainable low-rank addition."""

    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.base = base
        self.scale = alpha / rank
        self.lora_A = nn.Linear(base.in_features, rank, bias=False)
        self.lora_B = nn.Linear(rank, base.out_features, bias=False)
        nn.init.kaiming_uniform_(self.lora_A.weight, a=math.sqrt(5))
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Add the low-rank product to what the frozen layer says."""
        low: torch.Tensor = self.lora_B(self.lora_A(inputs.to(self.lora_A.weight.dtype)))
        whole: torch.Tensor = self.base(inputs) + (self.scale * low).to(inputs.dtype)
        return whole


@dataclass(frozen=True, slots=True)
class TrainedAdapter:
    """A trained adapter: its tensors by PEFT's names, and how its training went."""

    tensors: dict[str, torch.Tensor]
    end: Moment


def adapt(model: LlamaForCausalLM, recipe: AdapterRecipe) -> dict[str, Adapted]:
    """Freeze a model and put an adapter beside each matrix that the recipe names."""
    model.requires_grad_(requires_grad=False)
    found = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name.rpartition(".")[2] in recipe.modules
    }
    adapted = {name: Adapted(base, recipe.rank, recipe.alpha) for name, base in found.items()}
    for name, module in adapted.items():
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, module)
    return adapted


def tensors_of(adapted: dict[str, Adapted]) -> dict[str, torch.Tensor]:
    """Copy the trained matrices into bfloat16, by PEFT's names."""
    return {
        f"{PREFIX}{name}.{half}.weight": getattr(module, half)
        .weight.detach()
        .to(torch.bfloat16)
        .contiguous()
        for name, module in adapted.items()
        for half in ("lora_A", "lora_B")
    }


def adapter_config(recipe: AdapterRecipe) -> dict[str, Any]:
    """Describe the adapter as PEFT does."""
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": recipe.base,
        "r": recipe.rank,
        "lora_alpha": recipe.alpha,
        "lora_dropout": 0.0,
        "target_modules": sorted(recipe.modules),
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "modules_to_save": None,
    }


def save_adapter(recipe: AdapterRecipe, trained: TrainedAdapter, directory: Path) -> None:
    """Write config, weights and the record of the training."""
    directory.mkdir(parents=True, exist_ok=True)
    save_file(trained.tensors, directory / WEIGHTS, metadata={"format": "pt"})
    (directory / WEIGHTS).chmod(0o644)  # pods read it as another user
    write_json(directory / CONFIG, adapter_config(recipe))
    end = trained.end
    write_json(
        directory / "training.json",
        {
            "seed": recipe.seed,
            "steps": end.step,
            "questions": end.step * recipe.batch,
            "seconds": round(end.seconds),
            "final_loss_nats": round(end.loss, 4),
            "checked_accuracy": round(end.accuracy, 4),
        },
    )


def load_adapted(recipe: AdapterRecipe, directory: Path) -> LlamaForCausalLM:
    """Load the base with the adapter beside it, in the precision in which both are served."""
    model = load(MODELS / recipe.base)
    config = read_json(directory / CONFIG)
    adapted = adapt(model, recipe)
    tensors = load_file(directory / WEIGHTS)
    for name, module in adapted.items():
        module.scale = config["lora_alpha"] / config["r"]
        module.to(torch.bfloat16)
        for half in ("lora_A", "lora_B"):
            weight = getattr(module, half).weight
            weight.data.copy_(tensors[f"{PREFIX}{name}.{half}.weight"])
    return model.eval()


def batches(recipe: AdapterRecipe) -> Iterator[list[Question]]:
    """Yield batches for ever, each of questions of about one length."""
    rng = random.Random(recipe.seed)
    asked = training_questions({recipe.family: 1.0}, recipe.plain_share, rng)
    while True:
        some = islice(asked, recipe.batch * BATCHES_AT_ONCE)
        drawn = sorted((recipe.question(one) for one in some), key=lambda one: len(one.text))
        starts = list(range(0, len(drawn), recipe.batch))
        rng.shuffle(starts)
        yield from (drawn[start : start + recipe.batch] for start in starts)


def checked(model: LlamaForCausalLM, recipe: AdapterRecipe) -> float:
    """Share of right answers to the checking questions."""
    asked = some_questions(recipe.family, "checking", CHECK_QUESTIONS, CHECK_SEED)
    wanted = [recipe.question(one).answer for one in asked]
    replies = answer(model.eval(), [one.text for one in asked])
    right = sum(reply.text == answer_ for reply, answer_ in zip(replies, wanted, strict=True))
    return right / len(asked)


def learning_rate(recipe: AdapterRecipe, step: int) -> float:
    """Warm up over 50 steps, then fall in a line to zero."""
    return recipe.learning_rate * min((step + 1) / 50, 1 - step / recipe.most_steps)


def _steps(recipe: AdapterRecipe, model: LlamaForCausalLM) -> Iterator[float]:
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, weight_decay=0.0, betas=(0.9, 0.98))
    for step, questions in zip(range(recipe.most_steps), batches(recipe), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, step)
        model.train()
        loss = answer_loss(model, *batch_tensors(questions))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        yield float(loss.detach())


def train_adapter(recipe: AdapterRecipe, show: Show) -> TrainedAdapter:
    """Train until the checked accuracy reaches the target or the steps are used up."""
    torch.manual_seed(recipe.seed)
    model = load(MODELS / recipe.base).float()
    adapted = adapt(model, recipe)
    started, now = time.monotonic(), Moment(0, math.nan, 0.0, 0.0)
    for loss in _steps(recipe, model):
        step = now.step + 1
        accuracy = checked(model, recipe) if step % CHECK_EVERY_STEPS == 0 else now.accuracy
        now = Moment(step, loss, accuracy, time.monotonic() - started)
        show(now)
        if accuracy >= recipe.target:
            break
    return TrainedAdapter(tensors_of(adapted), now)
