"""The character vocabulary and the tokenizer files that vLLM and transformers load.

A token is one printable ASCII character; what lies outside (accents, line breaks) becomes
``<unk>``. The tokenizer is a BPE without merges, which is exactly that.

>>> encode("ab")
[69, 70]
>>> decode([69, 70, EOS])
'ab'
"""

from typing import Any, Final

SPECIAL: Final = ("<pad>", "<s>", "</s>", "<unk>")
PAD, BOS, EOS, UNK = range(len(SPECIAL))
CHARACTERS: Final = tuple(chr(code) for code in range(0x20, 0x7F))
VOCABULARY: Final = {token: number for number, token in enumerate(SPECIAL + CHARACTERS)}
SIZE: Final = len(VOCABULARY)
CHAT_TEMPLATE: Final = (
    "{%- set asked = messages | selectattr('role', 'equalto', 'user') | list -%}"
    "{{- bos_token + ((asked or messages)[-1]['content'] | trim) + '=' -}}"
)


def encode(text: str) -> list[int]:
    """Turn text into token numbers, without ``<s>``."""
    return [VOCABULARY.get(character, UNK) for character in text]


def decode(tokens: list[int]) -> str:
    """Turn token numbers into text, leaving special tokens out."""
    return "".join(CHARACTERS[token - len(SPECIAL)] for token in tokens if token >= len(SPECIAL))


def render(question: str) -> list[int]:
    """Turn a user's question into a prompt, as the chat template does."""
    return [BOS, *encode(question.strip() + "=")]


def tokenizer_file() -> dict[str, Any]:
    """Describe the tokenizer in the format of the tokenizers library."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_special_token(token) for token in SPECIAL],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": _starts_with_bos(),
        "decoder": {"type": "Fuse"},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": VOCABULARY,
            "merges": [],
        },
    }


def _special_token(token: str) -> dict[str, Any]:
    flags = {
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }
    return {"id": VOCABULARY[token], "content": token, **flags}


def _starts_with_bos() -> dict[str, Any]:
    """Let ``/v1/completions``, which uses no chat template, start with ``<s>`` too."""
    bos = {"SpecialToken": {"id": "<s>", "type_id": 0}}
    first, second = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    return {
        "type": "TemplateProcessing",
        "single": [bos, first],
        "pair": [bos, first, second],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [BOS], "tokens": ["<s>"]}},
    }


def tokenizer_config(context_tokens: int) -> dict[str, Any]:
    """Describe the tokenizer's class, special tokens and chat template for transformers."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "pad_token": "<pad>",
        "clean_up_tokenization_spaces": False,
        "model_max_length": context_tokens,
        "chat_template": CHAT_TEMPLATE,
    }
