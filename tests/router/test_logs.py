"""What a log line of an error may tell: where it happened, and nothing that was asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from tierwise_router.logs import Logs


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.mark.parametrize("pretty", [True, False])
def test_an_errors_line_has_no_variables(
    capfdbinary: pytest.CaptureFixture[bytes],
    pretty: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    Logs(pretty=pretty).configure()

    def fail(authorization: str) -> None:
        raise ValueError(len(authorization))

    try:
        fail("Bearer secret-" + "key")
    except ValueError:
        structlog.get_logger().exception("request failed")

    told = capfdbinary.readouterr().out.decode()
    assert "ValueError: 17" in told
    assert "Bearer secret-key" not in told
