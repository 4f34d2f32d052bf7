"""What this router publishes of itself at ``/openapi.json``: an OpenAPI 3.1 document.

``operation`` has the few words in which a path describes itself, ``parts`` what several of them
share, and each part of the router describes its paths in a module of its own, which ``document``
puts together. A test compares the document with the paths that are served.
"""

from tierwise_router.openapi.document import DOCUMENT, document
from tierwise_router.openapi.operation import Answer, Operation, json_answer
from tierwise_router.openapi.parts import errors

__all__ = ["DOCUMENT", "Answer", "Operation", "document", "errors", "json_answer"]
