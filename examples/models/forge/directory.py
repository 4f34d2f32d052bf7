"""A model's directory: the files that vLLM serves, in the layout of the Hugging Face hub."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from forge import vocabulary
from forge.recipes import CONTEXT_TOKENS, Recipe

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

    from forge.training import Trained

MODELS: Final = Path(__file__).resolve().parent.parent
KEPT_FILES: Final = (
    "chat_template.jinja",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
)
MOST_ANSWER_TOKENS: Final = 32
"""vLLM caps every answer here (``max_new_tokens``): an answer that never ends stays short."""


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON, one line at the end, in ASCII."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=True) + "\n", encoding="ascii")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def generation_config() -> dict[str, Any]:
    """Say how vLLM answers unless a request says otherwise: greedily, and briefly."""
    return {
        "bos_token_id": vocabulary.BOS,
        "eos_token_id": vocabulary.EOS,
        "pad_token_id": vocabulary.PAD,
        "max_new_tokens": MOST_ANSWER_TOKENS,
        "temperature": 0.0,
    }


def save(recipe: Recipe, trained: "Trained", directory: Path) -> None:
    """Write weights, config, tokenizer and the record of the training."""
    directory.mkdir(parents=True, exist_ok=True)
    trained.model.save_pretrained(directory)
    (directory / "model.safetensors").chmod(0o644)  # pods read it as another user
    write_json(directory / "generation_config.json", generation_config())
    write_json(directory / "tokenizer.json", vocabulary.tokenizer_file())
    write_json(directory / "tokenizer_config.json", vocabulary.tokenizer_config(CONTEXT_TOKENS))
    (directory / "chat_template.jinja").write_text(vocabulary.CHAT_TEMPLATE, encoding="ascii")
    write_json(directory / "training.json", training_record(recipe, trained))


def save_again(model: "LlamaForCausalLM", before: Path, directory: Path) -> None:
    """Write a model that was trained again; all but the weights is as it was ``before``."""
    directory.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(directory)
    for name in KEPT_FILES:
        shutil.copyfile(before / name, directory / name)
    for path in (directory, directory / "config.json", directory / "model.safetensors"):
        path.chmod(0o755 if path.is_dir() else 0o644)  # pods read it as another user


def training_record(recipe: Recipe, trained: "Trained") -> dict[str, Any]:
    """Record what the model was trained on and for how long."""
    end = trained.end
    return {
        "seed": recipe.seed,
        "shares": [part.shares for part in recipe.rounds],
        "steps": end.step,
        "questions": end.step * recipe.batch,
        "seconds": round(end.seconds),
        "final_loss_nats": round(end.loss, 4),
        "checked_accuracy": round(end.accuracy, 4),
    }


def load(directory: Path) -> "LlamaForCausalLM":
    """Load a model in the precision in which it is served (bfloat16)."""
    from transformers import LlamaForCausalLM  # noqa: PLC0415 - only training machines have it

    return LlamaForCausalLM.from_pretrained(directory).eval()
