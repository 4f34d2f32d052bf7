"""What the classifier makes of one text, for a person or a program: fields, and who voted."""

from __future__ import annotations

from typing import Any, Final

from tierwise_router.classifier.field_classifier import FieldClassifier

__all__ = ["told"]

FIELDS: Final = 5
WORDS: Final = 6


def told(classifier: FieldClassifier, text: str) -> dict[str, Any]:
    """Tell the reading, and for the likeliest fields the words with the strongest votes.

    >>> examples = {"sorting": ("sort dbca", "sort the letters"), "adding": ("add 3", "3+4")}
    >>> found = told(FieldClassifier.train(examples), "sort the cards")
    >>> found["fields"][0]["field"], found["fields"][0]["votes"][0]["word"]
    ('sorting', 'sort')
    """
    reading = classifier.read(text)
    in_order = sorted(reading.probabilities.items(), key=lambda one: (-one[1], one[0]))
    return {
        "field": reading.field,
        "confidence": round(reading.confidence, 4),
        "probability": round(reading.probability, 4),
        "in_domain": round(reading.in_domain, 4),
        "fields": [
            {
                "field": name,
                "share": round(share, 4),
                "votes": [
                    {"word": word, "vote": round(vote, 3)}
                    for word, vote in classifier.why(text, name)[:WORDS]
                ],
            }
            for name, share in in_order[:FIELDS]
        ],
    }
