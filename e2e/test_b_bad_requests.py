"""A bad request gets an OpenAI-shaped error that says what would be right."""

import httpx
from cluster import Cluster


def error(response: httpx.Response) -> dict[str, str]:
    """The error object of OpenAI's shape."""
    return dict(response.json()["error"])


def post(cluster: Cluster, body: bytes) -> httpx.Response:
    headers = {"content-type": "application/json"}
    return httpx.post(
        f"{cluster.url}/v1/chat/completions", content=body, headers=headers, timeout=60
    )


def test_an_unknown_model_is_answered_with_those_that_exist(cluster: Cluster) -> None:
    response = cluster.ask("sort dbca", model="sorrter")

    assert response.status_code == 404
    assert error(response)["code"] == "model_not_found"
    assert "sorter" in error(response)["message"]


def test_malformed_json_is_named(cluster: Cluster) -> None:
    response = post(cluster, b'{"model": "sorter", ')

    assert response.status_code == 400
    assert error(response)["type"] == "invalid_request_error"


def test_a_missing_field_is_named(cluster: Cluster) -> None:
    response = post(cluster, b'{"messages": [{"role": "user", "content": "hi"}]}')

    assert response.status_code == 400
    assert error(response)["param"] == "model"


def test_a_body_too_large_is_refused_before_it_is_read(cluster: Cluster) -> None:
    response = post(cluster, b'{"model": "sorter", "x": "' + b"a" * (21 << 20) + b'"}')

    assert response.status_code == 413
    assert "MiB" in error(response)["message"] or "bytes" in error(response)["message"]


def test_a_question_longer_than_the_context_is_the_caller_s_error(cluster: Cluster) -> None:
    response = cluster.ask("sort " + "dbca" * 500, model="sorter")

    assert response.status_code == 400
    assert "context" in error(response)["message"]


def test_an_unknown_path_is_not_found(cluster: Cluster) -> None:
    response = httpx.get(f"{cluster.url}/v1/nothing", timeout=60)

    assert response.status_code == 404
    assert error(response)["message"]
