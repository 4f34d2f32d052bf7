"""Makes the example adapters: trains, measures with and without, and writes the card."""

from pathlib import Path
from typing import Any, Final

from forge.adapter_recipes import ADAPTERS, AdapterRecipe
from forge.directory import MODELS, load, read_json, write_json
from forge.evaluation import read_questions

DIRECTORY: Final = MODELS / "adapters"
EVALUATION: Final = "evaluation.json"

CARD: Final = """---
license: apache-2.0
library_name: peft
pipeline_tag: text-generation
---

# {name}

{purpose}

A LoRA adapter of the [{base}](../../{base}/README.md): rank {rank}, alpha {alpha}, beside
{modules}:
{parameters:,} parameters, {weights_bytes:,} bytes with bfloat16 weights. Trained from seed {seed}
on {questions:,} generated questions, {steps:,} steps in {seconds:,} seconds on one core.

Licence: Apache-2.0. The weights, the questions and the code that makes both are part of this
repository.

## Measured

The held-out questions of `{family}`, whose words no training question has, asked of the base alone
and of the adapter. What is right for the one is wrong for the other. Neither was trained on the new
wordings.

| asked of | wordings | the base's answer | the adapter's answer |
| --- | --- | --: | --: |
{rows}

Measured on {date}, {machine}, by

    python -m forge adapter --name {name} --measure

## Use

    model:
      source: file:///models/{base}
      adapters:
        - name: {name}
          source: file:///models/adapters/{name}

Requests ask for the model `{base}:{name}`.
"""


def measure(recipe: AdapterRecipe, directory: Path) -> dict[str, Any]:
    """Ask base and adapter the held-out questions; count both kinds of right answers."""
    from forge.answering import answer  # noqa: PLC0415 - only training machines have torch
    from forge.lora import WEIGHTS, load_adapted  # noqa: PLC0415

    asked = [one for one in read_questions() if one["family"] == recipe.family]
    texts = [one["question"] for one in asked]
    adapted = load_adapted(recipe, directory)
    measured = {}
    for name, model in (("base", load(MODELS / recipe.base)), ("adapter", adapted)):
        replies = [reply.text for reply in answer(model, texts)]
        measured[name] = {
            wording: _counted(recipe, asked, replies, wording) for wording in ("known", "new")
        }
    return {
        "parameters": sum(one.numel() for one in adapted.parameters() if one.requires_grad),
        "weights_bytes": (directory / WEIGHTS).stat().st_size,
        "asked_of": measured,
    }


def _counted(
    recipe: AdapterRecipe, asked: list[dict[str, str]], replies: list[str], wording: str
) -> dict[str, int]:
    some = [
        (one, reply) for one, reply in zip(asked, replies, strict=True) if one["wording"] == wording
    ]
    return {
        "asked": len(some),
        "as_base": sum(reply == one["answer"] for one, reply in some),
        "as_adapter": sum(reply == recipe.solve(one["payload"]) for one, reply in some),
    }


def card(recipe: AdapterRecipe, training: dict[str, Any], evaluation: dict[str, Any]) -> str:
    """Write an adapter's card."""
    names = {"base": f"`{recipe.base}`", "adapter": f"`{recipe.base}:{recipe.name}`"}
    rows = [
        f"| {names[who]} | {wording} | {_share(count, 'as_base')} | {_share(count, 'as_adapter')} |"
        for who, counts in evaluation["asked_of"].items()
        for wording, count in counts.items()
    ]
    kept = ("parameters", "weights_bytes", "date", "machine")
    return CARD.format(
        **{name: getattr(recipe, name) for name in ("name", "purpose", "base", "family")},
        **{name: training[name] for name in ("seed", "questions", "steps", "seconds")},
        **{name: evaluation[name] for name in kept},
        rank=recipe.rank,
        alpha=recipe.alpha,
        modules=", ".join(recipe.modules),
        rows="\n".join(rows),
    )


def _share(count: dict[str, int], kind: str) -> str:
    """Write a count and its share.

    >>> _share({"asked": 200, "as_base": 150}, "as_base")
    '150/200 (75.0 %)'
    """
    share = count[kind] / count["asked"]
    return f"{count[kind]}/{count['asked']} ({share:.1%})".replace("%", " %")


def make(name: str, directory: Path, *, train: bool, date: str, machine: str) -> str:
    """Train an adapter unless it is only to be measured, measure it, write its card; return that.

    Training prints a line every hundred steps.
    """
    recipe = ADAPTERS[name]
    if train:
        from forge.lora import save_adapter, train_adapter  # noqa: PLC0415

        save_adapter(recipe, train_adapter(recipe, _show), directory)
    evaluation = {"date": date, "machine": machine, **measure(recipe, directory)}
    write_json(directory / EVALUATION, evaluation)
    text = card(recipe, read_json(directory / "training.json"), evaluation)
    (directory / "README.md").write_text(text, encoding="utf-8")
    return text


def _show(now: Any) -> None:
    if now.step % 100 == 0:
        print(
            f"step {now.step:>5}, loss {now.loss:.4f}, checked {now.accuracy:6.1%}, "
            f"{now.seconds:4.0f} s",
            flush=True,
        )
