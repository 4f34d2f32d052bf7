"""OpenTelemetry traces of requests: off unless an endpoint is set, and then nothing of it runs.

``context`` says which trace a request belongs to, ``dispatching`` and ``answering`` stand in for
the dispatch and the application where requests are traced, ``spans`` says what is told of them (the
GenAI semantic conventions), ``exporting`` sends it by OTLP from a thread of its own.
"""

__all__: list[str] = []
