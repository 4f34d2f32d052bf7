"""The forge: makes, measures and describes the small real models of the examples.

``questions`` and ``wordings`` say what is asked and what is right, ``recipes`` what is
trained, ``vocabulary`` and ``directory`` how it lies on disk, ``training`` and ``answering``
need torch, ``confidence``, ``measures`` and ``cards`` say how good the result is.
``python -m forge --help`` runs it.
"""
