"""Which field a question belongs to, and whether it belongs to any."""

from tierwise_router.classifier.field_classifier import FieldClassifier

__all__ = ["FieldClassifier"]
