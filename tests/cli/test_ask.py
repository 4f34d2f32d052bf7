"""`tierwise ask` against a router on the loopback."""

import json
import socket

import pytest
from click.testing import Result
from fakerouter import FakeRouter, Reply, completion, refused, stream
from typer.testing import CliRunner

from tierwise_cli.main import app

NO_CLUSTER = {"KUBECONFIG": "/nonexistent/kubeconfig", "TIERWISE_URL": "", "NO_COLOR": "1"}


def ask(*arguments: str, stdin: str | None = None, **environment: str) -> Result:
    return CliRunner().invoke(app, ["ask", *arguments], input=stdin, env=NO_CLUSTER | environment)


def test_it_prints_the_answer_and_who_gave_it(router: FakeRouter) -> None:
    router.reply = completion("abcd")

    told = ask("sort dbca", "--url", router.url)

    assert told.exit_code == 0, told.output
    lines = told.stdout.splitlines()
    assert lines[0] == "abcd"
    assert [line.split(maxsplit=1) for line in lines[2:]] == [
        ["answered", "by  demo/sorter on rtx-4090"],
        ["confidence", "0.97"],
        ["cost", "$0.00000123"],
        ["way", "sorter@rtx-4090=0.97"],
        ["decision", "d-1"],
        ["why", "tierwise explain d-1"],
    ]


def test_the_question_goes_out_as_a_chat_for_the_router_to_choose(router: FakeRouter) -> None:
    router.reply = completion("abcd")

    ask("sort dbca", "--url", router.url)

    messages = [{"role": "user", "content": "sort dbca"}]
    assert router.asked == [("/v1/chat/completions", {"model": "auto", "messages": messages})]


def test_options_go_out_only_when_they_are_given(router: FakeRouter) -> None:
    router.reply = completion("abcd")

    ask(
        *("sort dbca", "--url", router.url, "-m", "sorter"),
        "--temperature",
        "0",
        "--max-tokens",
        "9",
    )

    (_, body) = router.asked[0]
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("sorter", 0, 9)


def test_a_url_as_openai_clients_write_it_works_too(router: FakeRouter) -> None:
    router.reply = completion("abcd")

    assert ask("sort dbca", "--url", f"{router.url}/v1/").exit_code == 0
    assert ask("sort dbca", TIERWISE_URL=router.url).exit_code == 0


def test_json_is_for_programs(router: FakeRouter) -> None:
    router.reply = completion("abcd")

    told = json.loads(ask("sort dbca", "--url", router.url, "-o", "json").stdout)

    assert told == {
        "answer": "abcd",
        "model": "auto",
        "specialist": "demo/sorter",
        "tier": "rtx-4090",
        "confidence": 0.971,
        "costUSD": 0.00000123,
        "path": "sorter@rtx-4090=0.97",
        "decision": "d-1",
    }


def test_the_way_of_an_escalation_reads_from_left_to_right(router: FakeRouter) -> None:
    way = "generalist@rtx-4090=0.41<0.80, frontier@h100=0.97"
    router.reply = completion("HELLO", **{"x-tierwise-path": way})

    told = ask("uppercase hello", "--url", router.url)

    assert "generalist@rtx-4090=0.41<0.80 → frontier@h100=0.97" in told.stdout


def test_a_stream_is_printed_piece_by_piece(router: FakeRouter) -> None:
    router.reply = stream("ab", "cd")

    told = ask("sort dbca", "--url", router.url, "--stream")

    assert told.stdout.splitlines()[0] == "abcd"
    assert "demo/sorter" in told.stdout
    assert router.asked[0][1]["stream"] is True


def test_a_stream_costs_what_its_last_comment_tells(router: FakeRouter) -> None:
    """Its headers were written before its answer: at one's start a provider has billed nothing."""
    end = ": answered sorter@rtx-4090=0.88, 0.004200000 USD\n\ndata: [DONE]\n\n"
    router.reply = stream("ab", ending=end)

    told = ask("sort dbca", "--url", router.url, "--stream")

    assert "$0.0042" in told.output
    assert "confidence   0.88" in told.output
    assert "sorter@rtx-4090=0.88" in told.output


def test_a_stream_without_such_a_comment_has_no_known_cost(router: FakeRouter) -> None:
    router.reply = stream("ab")

    assert "cost" not in ask("sort dbca", "--url", router.url, "--stream").output


def test_a_stream_that_breaks_is_no_answer(router: FakeRouter) -> None:
    error = json.dumps({"error": {"message": "the pod died", "type": "server_error"}})
    router.reply = stream("ab", ending=f"data: {error}\n\n")

    told = ask("sort dbca", "--url", router.url, "--stream")

    assert told.exit_code == 1
    assert "the pod died" in told.stderr


def test_quiet_prints_the_answer_alone(router: FakeRouter) -> None:
    router.reply = completion("abcd")

    assert ask("sort dbca", "--url", router.url, "-q").stdout == "abcd\n"


def test_the_question_may_come_from_a_pipe(router: FakeRouter) -> None:
    router.reply = completion("abcd")

    ask("-", "--url", router.url, stdin="sort dbca\n")

    assert router.asked[0][1]["messages"][0]["content"] == "sort dbca"


def test_an_empty_question_is_refused_before_anybody_is_asked(router: FakeRouter) -> None:
    told = ask(" ", "--url", router.url)

    assert told.exit_code == 1
    assert "the question is empty" in told.stderr
    assert router.asked == []


def test_a_refusal_tells_the_way_and_what_to_do(router: FakeRouter) -> None:
    way = "generalist@rtx-4090=0.41<0.80, frontier@h100=0.50<0.55"
    router.reply = refused(422, "abstained", "nobody is sure enough", **{"x-tierwise-path": way})

    told = ask("what is love", "--url", router.url)

    assert told.exit_code == 1
    assert told.stderr.splitlines() == [
        "tierwise: nobody is sure enough",
        f"The way it took: {way}",
        "Fix: ask more plainly, name a --model, or add a Specialist for this field",
    ]


def test_an_error_is_json_where_json_was_asked_for(router: FakeRouter) -> None:
    router.reply = refused(404, "model_not_found", "no Specialist is named sorta")

    told = ask("sort dbca", "-m", "sorta", "--url", router.url, "-o", "json")

    assert told.exit_code == 1
    assert json.loads(told.stdout)["error"] == {
        "kind": "model_not_found",
        "message": "no Specialist is named sorta",
        "fix": "",
    }


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"choices": []}', b"[1]"])
def test_something_else_at_the_address_is_named_as_such(router: FakeRouter, body: bytes) -> None:
    router.reply = Reply(body=body)

    told = ask("sort dbca", "--url", router.url)

    assert told.exit_code == 1
    assert "does not speak OpenAI's API" in told.stderr


def test_an_error_page_of_something_else_is_named_as_such(router: FakeRouter) -> None:
    router.reply = Reply(status=404, body=b"nginx: not here")

    told = ask("sort dbca", "--url", router.url)

    assert "is no tierwise router: status 404, 'nginx: not here'" in told.stderr


def test_nobody_at_the_address_is_one_sentence_and_a_way_out() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"

        told = ask("sort dbca", "--url", url)

    assert told.exit_code == 1
    assert f"no router answers at {url}" in told.stderr
    assert "tierwise serve FILE" in told.stderr


def test_a_url_without_a_scheme_says_how_to_write_it() -> None:
    assert "write http://localhost:8080" in ask("x", "--url", "localhost:8080").stderr


def test_neither_address_nor_cluster_says_all_three_ways_out() -> None:
    told = ask("sort dbca")

    assert told.exit_code == 1
    for way in ("--url", "TIERWISE_URL", "tierwise serve", "--kubeconfig"):
        assert way in told.stderr
