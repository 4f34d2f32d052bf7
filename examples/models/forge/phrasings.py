"""Example phrasings per field, ready for ``routing.examples`` of a Specialist."""

import random
from typing import Final

from forge.questions import FAMILIES, draw_payload, word_question

FIELDS: Final = ("sorting", "reversing", "arithmetic")
"""The fields that have a specialist; shouting has none on purpose."""
COUNT: Final = 20
SEED: Final = 11
HEAD: Final = """\
# Twenty ways to ask, per field: paste a field's list under `routing.examples` of its Specialist.
# Written by `python -m forge questions`. No held-out question uses these words and numbers.
# Shouting (upper case) is missing on purpose: no specialist covers it, only the frontier does.
"""


def phrasings(field: str) -> list[str]:
    """List twenty distinct questions of a field, as many different wordings as there are."""
    rng = random.Random(f"{SEED}:{field}")
    family = FAMILIES[field]
    found: dict[str, str] = {}
    while len(found) < COUNT:
        payload = draw_payload(family, rng, "training")
        choices = [
            wording for wording in dict.fromkeys(family.wordings(payload)) if wording not in found
        ]
        if choices:
            wording = rng.choice(choices)
            found[wording] = word_question(family, wording, payload, rng).text
    return list(found.values())


def examples_yaml() -> str:
    """Write the examples of all fields as YAML (each text as a JSON string, which YAML reads)."""
    blocks = (
        f"{field}:\n" + "".join(f"  - {quoted(text)}\n" for text in phrasings(field))
        for field in FIELDS
    )
    return HEAD + "".join(blocks)


def quoted(text: str) -> str:
    r"""Quote a text for YAML.

    >>> quoted('sort "ab"')
    '"sort \\"ab\\""'
    """
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
