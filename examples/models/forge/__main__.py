"""The command line: train, measure, describe, ask and verify the example models."""

import argparse
import datetime as dt
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from forge.adapter_making import DIRECTORY as ADAPTER_DIRECTORY
from forge.adapter_making import make
from forge.adapter_recipes import ADAPTERS
from forge.cards import pages
from forge.directory import MODELS, load, read_json, save, save_again, write_json
from forge.evaluation import EVALUATION, measure, write_questions
from forge.pairs import directory_of, held_back, read_pairs, tell, told
from forge.phrasings import examples_yaml
from forge.recipes import RECIPES, Recipe

if TYPE_CHECKING:
    from forge.training import Moment

EXAMPLES = """\
examples:
  python -m forge train --model all          all models, minutes each on two cores
  python -m forge train --model sorter --out /tmp/models
  python -m forge questions                  write questions/*.jsonl and examples.yaml
  python -m forge evaluate --model all       measure, then write evaluation.json and the cards
  python -m forge evidence                   what one more certain token says about an answer
  python -m forge early                      how often a stream that began turns doubtful
  python -m forge ask sorter "sort dbca"     one answer and its confidence
  python -m forge adapter                    train the sorter's adapter in ten minutes, measure it
  python -m forge retrain --pairs pairs.jsonl --model-source file:///models/sorter --out /tmp/new
  python -m forge verify --model sorter      serve with vLLM on loopback, compare its answers
"""

THREADS = "CPU threads, default: 1; the weights repeat bit for bit for the same number"


def chosen(name: str) -> list[str]:
    """List the models that ``--model`` means."""
    return list(RECIPES) if name == "all" else [name]


def run_train(options: argparse.Namespace) -> None:
    """Train and save the chosen models."""
    import torch  # noqa: PLC0415 - the other commands work without it

    from forge.training import train  # noqa: PLC0415

    torch.set_num_threads(options.threads)
    for name in chosen(options.model):
        recipe = RECIPES[name]
        trained = train(recipe, partial(show_progress, recipe))
        save(recipe, trained, Path(options.out) / name)
        print(f"\n{name}: {trained.end.accuracy:.1%} right after {trained.end.step} steps")


def show_progress(recipe: Recipe, now: "Moment") -> None:
    """Draw the progress bar: in place on a terminal, else a line every hundred steps."""
    terminal = sys.stdout.isatty()
    if not terminal and now.step % 100:
        return
    done = round(now.step / recipe.most_steps * 30)
    text = (
        f"{recipe.name:<10} [{'#' * done}{'.' * (30 - done)}] step {now.step:>5}, "
        f"loss {now.loss:.4f}, checked {now.accuracy:6.1%}, {now.seconds:4.0f} s"
    )
    print(text, end="\r" if terminal else "\n", flush=True)


def run_questions(_: argparse.Namespace) -> None:
    """Write the held-out questions and the routing examples."""
    write_questions()
    (MODELS / "examples.yaml").write_text(examples_yaml(), encoding="ascii")
    print(f"wrote {MODELS / 'questions'} and {MODELS / 'examples.yaml'}")


def run_evaluate(options: argparse.Namespace) -> None:
    """Measure the chosen models and renew ``evaluation.json`` and every page made from it."""
    models = read_json(EVALUATION)["models"] if EVALUATION.exists() else {}
    for name in chosen(options.model):
        models[name] = measure(name, RECIPES[name].families)
        rights = ((family, found["accuracy"]) for family, found in models[name]["families"].items())
        print(f"{name}: " + ", ".join(f"{family} {share:.1%}" for family, share in rights))
    ordered = {name: models[name] for name in RECIPES if name in models}
    write_json(EVALUATION, {"date": options.date, "machine": options.machine, "models": ordered})
    run_cards(options)


def run_evidence(_: argparse.Namespace) -> None:
    """Find what the lowest token says of an answer, over all models, and who passes with it."""
    from forge.evaluation import answered  # noqa: PLC0415
    from forge.evidence import best_evidence, by_model, passing  # noqa: PLC0415

    every = [one for name in RECIPES for one in answered(name, RECIPES[name].families)]
    best, score = best_evidence(every)
    print(f"{len(every):,} answers: slope {best.slope}, neutral {best.neutral}, Brier {score:.4f}")
    for name, some in by_model(every).items():
        floor = 0.85 if len(RECIPES[name].families) == 1 else 0.80
        share = passing(best, some, floor)
        print(f"{name:<10} over {floor}: {share[True]:.1%} of right, {share[False]:.1%} of wrong")


def run_early(options: argparse.Namespace) -> None:
    """Walk through answers and say what each setting of a stream's beginning leads to."""
    from forge.early import beginnings  # noqa: PLC0415
    from forge.evaluation import walked  # noqa: PLC0415

    every = []
    for name, recipe in RECIPES.items():
        every += walked(name, recipe.families, options.questions)
        print(f"{name}: {len(every):,} answers so far", flush=True)
    print(f"{len(every):,} answers, {sum(one.accepted for one in every):,} accepted in the end")
    for found in beginnings(every):
        print(found)


def run_cards(_: argparse.Namespace) -> None:
    """Write the cards and the overview's tables again."""
    for path, text in pages(read_json(EVALUATION)).items():
        path.write_text(text, encoding="utf-8")


def run_ask(options: argparse.Namespace) -> None:
    """Ask one model one question."""
    from forge.answering import answer  # noqa: PLC0415
    from forge.confidence import signals  # noqa: PLC0415

    (reply,) = answer(load(MODELS / options.name), [options.question])
    print(reply.text)
    for signal, value in signals(reply.probabilities, reply.runner_ups, reply.entropies).items():
        print(f"  {signal.replace('_', ' '):<22} {value:.4f}")


def run_verify(options: argparse.Namespace) -> None:
    """Serve the chosen models with vLLM, one after the other, and compare answers."""
    from forge.verification import verify  # noqa: PLC0415

    reports = [verify(name, options.questions) for name in chosen(options.model)]
    print("\n".join(report.text for report in reports))
    if not all(report.agrees for report in reports):
        raise SystemExit("vLLM and transformers disagree, see above")


def run_adapter(options: argparse.Namespace) -> None:
    """Make an adapter, or measure it again."""
    import torch  # noqa: PLC0415

    torch.set_num_threads(options.threads)
    directory = Path(options.out) / options.name
    told = {"date": options.date, "machine": options.machine}
    print(make(options.name, directory, train=not options.measure, **told))


def run_retrain(options: argparse.Namespace) -> None:
    """Train a served model again with preference pairs, and say where the result is."""
    import torch  # noqa: PLC0415

    from forge.retraining import Turn, Wanted, retrain  # noqa: PLC0415

    torch.set_num_threads(options.threads)
    claims = dict(one.split("=", 1) for one in options.claim)
    directory = directory_of(options.model_source, claims)
    pairs, checked = held_back(read_pairs(Path(options.pairs).read_text("utf-8").splitlines()))
    if not pairs:
        raise SystemExit(f"{options.pairs}: there is no pair to learn from")
    recipe = RECIPES[options.like]
    wanted = Wanted(recipe.families, most_steps=options.steps)
    print(f"{directory}: {len(pairs)} pairs to learn from, {len(checked)} held back", flush=True)

    def show(turn: Turn) -> None:
        print(
            f"step {turn.step:>4}, loss {turn.loss:.3f}, held back {turn.anew:6.1%}, "
            f"known {turn.known:6.1%}, {turn.seconds:4.0f} s",
            flush=True,
        )

    model = retrain(load(directory), pairs, checked, wanted, show)
    save_again(model, directory, Path(options.out))
    tell(options.source or f"file://{Path(options.out).resolve()}", options.result)


def parser() -> argparse.ArgumentParser:
    """Describe the commands and their options."""
    top = argparse.ArgumentParser(
        prog="python -m forge",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    models = argparse.ArgumentParser(add_help=False)
    models.add_argument("--model", choices=[*RECIPES, "all"], default="all", help="default: all")
    train = commands.add_parser("train", parents=[models], help="train models")
    train.add_argument("--out", default=str(MODELS), help="default: beside this package")
    train.add_argument("--threads", type=int, default=1, help=THREADS)
    train.set_defaults(run=run_train)
    commands.add_parser("questions", help="write held-out questions").set_defaults(
        run=run_questions
    )
    evaluate = commands.add_parser("evaluate", parents=[models], help="measure models, write cards")
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    evaluate.add_argument("--date", default=today, help="the date on the cards, default: today")
    evaluate.add_argument("--machine", default="2 cores, CPU", help="default: 2 cores, CPU")
    evaluate.set_defaults(run=run_evaluate)
    commands.add_parser("evidence", help="fit what tokens say of an answer").set_defaults(
        run=run_evidence
    )
    early = commands.add_parser("early", help="measure streams that begin early")
    early.add_argument(
        "--questions", type=int, default=100, help="ask each model so many, default: 100"
    )
    early.set_defaults(run=run_early)
    commands.add_parser("cards", help="write cards from evaluation.json").set_defaults(
        run=run_cards
    )
    adapter = commands.add_parser("adapter", help="train a LoRA adapter, measure it")
    adapter.add_argument("--name", choices=list(ADAPTERS), default="descending")
    adapter.add_argument("--measure", action="store_true", help="do not train, measure again")
    adapter.add_argument("--out", default=str(ADAPTER_DIRECTORY), help="default: ../adapters")
    adapter.add_argument("--threads", type=int, default=1, help=THREADS)
    adapter.add_argument("--date", default=today, help="the date on the card, default: today")
    adapter.add_argument("--machine", default="2 cores, CPU", help="default: 2 cores, CPU")
    adapter.set_defaults(run=run_adapter)
    retrain = commands.add_parser("retrain", help="train a served model again with pairs")
    retrain.add_argument("--pairs", default=told("TIERWISE_PAIRS"), help="JSON lines, as exported")
    retrain.add_argument(
        "--model-source",
        default=told("TIERWISE_MODEL_SOURCE"),
        help="the model that serves: file:///DIRECTORY, or pvc://CLAIM/PATH with --claim",
    )
    retrain.add_argument(
        "--claim", action="append", default=[], metavar="NAME=DIRECTORY", help="a mounted claim"
    )
    retrain.add_argument("--out", required=True, help="the directory to write")
    retrain.add_argument("--source", help="what to call it, default: file:// and the directory")
    retrain.add_argument("--like", choices=list(RECIPES), default="sorter", help="what it knows")
    retrain.add_argument("--steps", type=int, default=100, help="at most, default: 100")
    retrain.add_argument("--threads", type=int, default=1, help=THREADS)
    retrain.add_argument("--result", default=told("TIERWISE_RESULT"), help="where to say so")
    retrain.set_defaults(run=run_retrain)
    ask = commands.add_parser("ask", help="ask one question")
    ask.add_argument("name", choices=list(RECIPES))
    ask.add_argument("question")
    ask.set_defaults(run=run_ask)
    verify = commands.add_parser("verify", parents=[models], help="compare vLLM with transformers")
    verify.add_argument("--questions", type=int, default=15, help="per family, default: 15")
    verify.set_defaults(run=run_verify)
    return top


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command."""
    options = parser().parse_args(arguments)
    options.run(options)


if __name__ == "__main__":
    main()
