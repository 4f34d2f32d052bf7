"""Writes the model cards and the overview's tables from ``evaluation.json``; no torch needed."""

from pathlib import Path
from typing import Any, Final

from forge.directory import MODELS, read_json
from forge.measures import FLOOR, SIGNALS
from forge.recipes import CONTEXT_TOKENS, HEAD_DIM, RECIPES

BEGIN: Final = "<!-- figures: written by `python -m forge cards` -->"
END: Final = "<!-- end of figures -->"


def percent(share: float | None) -> str:
    """Write a share in percent.

    >>> percent(0.125), percent(None)
    ('12.5 %', '-')
    """
    return "-" if share is None else f"{share:.1%}".replace("%", " %")


def figure(number: float | None) -> str:
    """Write a probability with three digits."""
    return "-" if number is None else f"{number:.3f}"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Lay out a Markdown table, its first column left, the others right."""
    rule = ["---", *["--:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *rows])


def _accuracy_row(label: str, measured: dict[str, Any]) -> list[str]:
    return [
        label,
        f"{measured['right']}/{measured['asked']}",
        percent(measured["accuracy"]),
        figure(measured["right_mean_probability"]),
        figure(measured["right_lowest_probability"]),
        figure(measured["wrong_mean_probability"]),
        figure(measured["wrong_lowest_probability"]),
    ]


def accuracy_table(model: dict[str, Any]) -> str:
    """Tabulate one model's accuracy and confidence per family."""
    head = ["family", "right", "accuracy", "mean p, right", "lowest p, right"]
    rows = [_accuracy_row(family, m) for family, m in model["families"].items()]
    rows += [
        _accuracy_row(f"{family}, new wordings", m) for family, m in model["new_wordings"].items()
    ]
    return table([*head, "mean p, wrong", "lowest p, wrong"], rows)


def separation_table(model: dict[str, Any], scope: str) -> str:
    """Tabulate how well each signal tells a model's right answers from wrong ones."""
    head = ["signal", "AUROC", f"right >= {FLOOR}", f"wrong >= {FLOOR}"]
    rows = [
        [
            signal.replace("_", " "),
            figure(found["auroc"]),
            percent(found["right_passing_floor"]),
            percent(found["wrong_passing_floor"]),
        ]
        for signal, found in ((signal, model[scope][signal]) for signal in SIGNALS)
    ]
    return table(head, rows)


CARD: Final = """---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
---

# {name}

{purpose}

A character-level Llama: {parameters:,} parameters ({layers} layers, hidden size {hidden}, head
size {head}, {context} tokens of context), {weights_bytes:,} bytes of bfloat16 weights. Trained from
seed {seed} on {questions:,} generated questions ({shares}), {steps:,} steps in {seconds:,} seconds.

Licence: Apache-2.0. The weights, the questions and the code that makes both are part of this
repository.

## Measured

Held-out questions, whose words and numbers no training question has. `mean p` and `lowest p` are
the mean and the lowest token probability of an answer (its end token included), averaged over the
right and over the wrong answers. Nobody has a right answer to the `outside` questions, which are
everyday English.

{accuracies}

Measured on {date}, {machine}, by

    python -m forge evaluate --model {name}

## How well its confidence tells right from wrong

Within its own families ({own}), right answers against wrong ones:

{within}

Its right answers against its wrong ones to all other questions:

{beyond}

## Use

    python -m vllm.entrypoints.openai.api_server --model examples/models/{name} \\
        --served-model-name {name} --enforce-eager
"""


def mixture(shares: dict[str, float]) -> str:
    """Write the families of a round and their shares.

    >>> mixture({"sorting": 0.75, "reversing": 0.25})
    'sorting 75 %, reversing 25 %'
    """
    return ", ".join(f"{family} {share:.0%}".replace("%", " %") for family, share in shares.items())


def card(name: str, evaluation: dict[str, Any]) -> str:
    """Write one model's card."""
    recipe, model = RECIPES[name], evaluation["models"][name]
    training = read_json(MODELS / name / "training.json")
    shares = "; then ".join(mixture(part.shares) for part in recipe.rounds)
    return CARD.format(
        **{key: training[key] for key in ("seed", "questions", "steps", "seconds")},
        **{key: evaluation[key] for key in ("date", "machine")},
        **{key: model[key] for key in ("parameters", "weights_bytes")},
        **{key: getattr(recipe, key) for key in ("name", "purpose", "layers", "hidden")},
        head=HEAD_DIM,
        context=CONTEXT_TOKENS,
        shares=shares,
        accuracies=accuracy_table(model),
        own=", ".join(model["own_families"]),
        within=separation_table(model, "within"),
        beyond=separation_table(model, "beyond"),
    )


def overview_tables(evaluation: dict[str, Any]) -> str:
    """Tabulate all models: accuracy per family, and separation per signal."""
    models = evaluation["models"]
    families = list(next(iter(models.values()))["families"])[:-1]
    accuracies = [
        [
            f"[{name}]({name}/README.md)",
            f"{model['parameters']:,}",
            f"{model['weights_bytes'] / 1e6:.2f} MB",
            *(percent(model["families"][family]["accuracy"]) for family in families),
        ]
        for name, model in models.items()
    ]
    parts = [
        f"Measured on {evaluation['date']}, {evaluation['machine']}.",
        table(["model", "parameters", "weights", *families], accuracies),
    ]
    for scope, title in (
        ("within", "Right against wrong answers within a model's own families"),
        ("beyond", "Right answers against a model's answers outside its own families"),
    ):
        parts += [
            f"{title}, AUROC (share of right / of wrong answers over {FLOOR}):",
            _signals_table(models, scope),
        ]
    return "\n\n".join(parts)


def _signals_table(models: dict[str, Any], scope: str) -> str:
    names = [
        name for name, model in models.items() if model[scope][SIGNALS[0]]["auroc"] is not None
    ]
    rows = [
        [signal.replace("_", " "), *(_signal_cell(models[name][scope][signal]) for name in names)]
        for signal in SIGNALS
    ]
    return table(["signal", *names], rows)


def _signal_cell(found: dict[str, Any]) -> str:
    right, wrong = percent(found["right_passing_floor"]), percent(found["wrong_passing_floor"])
    return f"{figure(found['auroc'])} ({right} / {wrong})"


def with_figures(text: str, evaluation: dict[str, Any]) -> str:
    """Put fresh tables between the marks of the overview."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{overview_tables(evaluation)}\n\n{END}{after}"


def pages(evaluation: dict[str, Any]) -> dict[Path, str]:
    """Write every generated page: the cards, and the overview around its own words."""
    overview = MODELS / "README.md"
    written = {MODELS / name / "README.md": card(name, evaluation) for name in evaluation["models"]}
    written[overview] = with_figures(overview.read_text(encoding="utf-8"), evaluation)
    return written
