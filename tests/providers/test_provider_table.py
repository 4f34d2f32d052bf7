"""What a Specialist's spec says of its provider arrives in the route table."""

from datetime import date
from typing import Any

from tierwise_core.provider import ProviderTerms
from tierwise_router.table import build_table


def external(**changes: Any) -> dict[str, Any]:
    spec = {
        "field": "general",
        "external": {"baseURL": "https://a.example/v1/", "model": "large", **changes},
    }
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Specialist",
        "metadata": {"name": "large", "namespace": "demo"},
        "spec": spec,
    }


def test_limits_dates_and_addresses_arrive() -> None:
    table, problems = build_table(
        [
            external(
                alternativeURLs=["https://b.example/v1", "https://a.example/v1/"],
                limits={"requestsPerMinute": 500, "tokensPerMinute": 9, "maxConcurrency": 3},
                deprecationDate="2027-01-31",
                deprecationNoticeDays=7,
                region="eu-central-1",
                compliance=["SOC2"],
            )
        ]
    )

    route = table.routes["demo/large"]
    assert not problems
    assert [one.url for one in route.endpoints] == ["https://a.example/v1", "https://b.example/v1"]
    assert route.provider == ProviderTerms(500, 9, 3, date(2027, 1, 31), 7)
    assert (route.region, route.compliance) == ("eu-central-1", ("SOC2",))


def test_a_new_price_is_a_new_table() -> None:
    def version(usd: float) -> str:
        price = {"inputPerMillionTokens": usd, "outputPerMillionTokens": 10}
        return build_table([external(price=price)])[0].version

    assert version(2.5) != version(3.0)


def test_own_pods_list_their_standards_by_themselves() -> None:
    own = external()
    own["spec"] = {
        "field": "general",
        "model": {"source": "hf://a/b"},
        "routing": {"compliance": ["HIPAA"], "region": "eu-west-1"},
    }

    route = build_table([own])[0].routes["demo/large"]

    assert (route.provider, route.compliance, route.region) == (None, ("HIPAA",), "eu-west-1")


def test_a_tenants_requirements_arrive() -> None:
    tenant = {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Tenant",
        "metadata": {"name": "team-a", "namespace": "demo"},
        "spec": {
            "keys": [{"name": "ci", "sha256": "0" * 64}],
            "compliance": ["SOC2"],
            "regions": ["EU"],
        },
    }

    needed = build_table([tenant])[0].tenants["demo/team-a"].requirements

    assert (needed.compliance, needed.regions) == ({"soc2"}, {"eu"})
