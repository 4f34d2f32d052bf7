"""The cases of a Specialist's rules."""

from __future__ import annotations

from manifests import EXTERNAL, GONE
from rulecase import QUANTITY, RuleCase

NAME = "must be lower case letters, digits and inner dashes, such as sorter-v2"
SOURCE = (
    "source must say where the files are: hf://OWNER/NAME, pvc://CLAIM/PATH, "
    "file:///ABSOLUTE/PATH, s3://BUCKET/PATH or oci://REGISTRY/NAME:TAG"
)
SPECIALIST_NAME = (
    "metadata.name must be at most 63 lower case letters, digits and inner dashes and begin with "
    "a letter: it becomes a Service and a label"
)

SPECIALIST = (
    RuleCase(
        name="a name becomes a Service",
        kind="Specialist",
        good={"metadata.name": "s-2"},
        bad={"metadata.name": "2-sorter"},
        at="metadata.name",
        says=f'{SPECIALIST_NAME}; got "2-sorter"',
    ),
    RuleCase(
        name="a name has no dots",
        kind="Specialist",
        good={"metadata.name": "x" * 63},
        bad={"metadata.name": "sorter.v2"},
        at="metadata.name",
        says=f'{SPECIALIST_NAME}; got "sorter.v2"',
    ),
    RuleCase(
        name="auto is the router's word",
        kind="Specialist",
        good={"metadata.name": "automatic"},
        bad={"metadata.name": "auto"},
        at="metadata.name",
        says='metadata.name must not be "auto": a request for the model auto asks the router to '
        "choose",
    ),
    RuleCase(
        name="a Specialist is not its own parent",
        kind="Specialist",
        good={"spec.parent": "generalist"},
        bad={"spec.parent": "sorter"},
        at="spec.parent",
        says="parent must name another, more general Specialist, or be left out; got the "
        'Specialist itself, "sorter"',
    ),
    RuleCase(
        name="a Specialist does not escalate to itself",
        kind="Specialist",
        good={"spec.routing.escalateTo": ["frontier"]},
        bad={"spec.routing.escalateTo": ["frontier", "sorter"]},
        at="spec.routing.escalateTo",
        says='escalateTo must name other Specialists; got the Specialist itself, "sorter"',
    ),
    RuleCase(
        name="neither model nor external",
        kind="Specialist",
        good={"spec.model": GONE, "spec.external": EXTERNAL},
        bad={"spec.model": GONE},
        at="spec",
        says="give exactly one of model (tierwise runs it) and external (somebody else does): "
        "remove the other, or add the missing one",
    ),
    RuleCase(
        name="both model and external",
        kind="Specialist",
        bad={"spec.external": EXTERNAL},
        at="spec",
        says="give exactly one of model (tierwise runs it) and external (somebody else does): "
        "remove the other, or add the missing one",
    ),
    RuleCase(
        name="an external model is not rolled out",
        kind="Specialist",
        good={"spec.rollout": {"cooldown": "30m"}},
        bad={"spec.model": GONE, "spec.external": EXTERNAL, "spec.rollout": {"cooldown": "30m"}},
        at="spec.rollout",
        says="rollout applies to a model that tierwise runs: leave it out with external",
    ),
    RuleCase(
        name="a field is a name",
        kind="Specialist",
        good={"spec.field": "software-engineering"},
        bad={"spec.field": "Software Engineering"},
        at="spec.field",
        says=f'{NAME}; got "Software Engineering"',
    ),
    RuleCase(
        name="a source has a scheme",
        kind="Specialist",
        good={"spec.model.source": "hf://Qwen/Qwen3-4B"},
        bad={"spec.model.source": "Qwen/Qwen3-4B"},
        at="spec.model.source",
        says=f'{SOURCE}; got "Qwen/Qwen3-4B"',
    ),
    RuleCase(
        name="a file source is an absolute path",
        kind="Specialist",
        good={"spec.model.source": "file:///models/a"},
        bad={"spec.model.source": "file://models/a"},
        at="spec.model.source",
        says="source must have an absolute path after file://, so three slashes: "
        'file:///models/sorter; got "file://models/a"',
    ),
    RuleCase(
        name="adapters have names of their own",
        kind="Specialist",
        good={
            "spec.model.adapters": [
                {"name": "a", "source": "hf://x/a"},
                {"name": "b", "source": "hf://x/a"},
            ]
        },
        bad={
            "spec.model.adapters": [
                {"name": "a", "source": "hf://x/a"},
                {"name": "a", "source": "hf://x/b"},
            ]
        },
        at="spec.model.adapters",
        says="adapters must have names of their own: two have the same",
    ),
    RuleCase(
        name="adapters find room",
        kind="Specialist",
        good={
            "spec.model.adapterLimits": {"maxLoaded": 5},
            "spec.model.adapters": [{"name": n, "source": f"hf://x/{n}"} for n in "abcde"],
        },
        bad={"spec.model.adapters": [{"name": n, "source": f"hf://x/{n}"} for n in "abcde"]},
        at="spec.model.adapters",
        says="adapters must not be more than adapterLimits.maxLoaded (4 where it is left out): "
        "raise it, or remove an adapter",
    ),
    RuleCase(
        name="an adapter's name is a model name",
        kind="Specialist",
        good={"spec.model.adapters": [{"name": "Customer_A.1", "source": "hf://x/a"}]},
        bad={"spec.model.adapters": [{"name": "customer/a", "source": "hf://x/a"}]},
        at="spec.model.adapters[0].name",
        says="name must be letters and digits with inner dashes, dots or underscores, such as "
        'customer-a; got "customer/a"',
    ),
    RuleCase(
        name="a size override is a quantity",
        kind="Specialist",
        good={"spec.model.size": {"weights": "40Gi", "parameters": 20_000_000_000}},
        bad={"spec.model.size": {"weights": "40 GiB"}},
        at="spec.model.size.weights",
        says=f'{QUANTITY}; got "40 GiB"',
    ),
    RuleCase(
        name="an external address is http",
        kind="Specialist",
        good={"spec.model": GONE, "spec.external": EXTERNAL | {"baseURL": "http://10.0.0.1:8000"}},
        bad={"spec.model": GONE, "spec.external": EXTERNAL | {"baseURL": "api.example.com/v1"}},
        at="spec.external.baseURL",
        says="baseURL must be an http or https address without a query, such as "
        'https://api.example.com/v1; got "api.example.com/v1"',
    ),
    RuleCase(
        name="an external address has no call's path",
        kind="Specialist",
        good={"spec.model": GONE, "spec.external": EXTERNAL | {"baseURL": "https://a.b/v1/"}},
        bad={
            "spec.model": GONE,
            "spec.external": EXTERNAL | {"baseURL": "https://a.b/v1/chat/completions"},
        },
        at="spec.external.baseURL",
        says="baseURL must end before the path of a call: leave /chat/completions out; got "
        '"https://a.b/v1/chat/completions"',
    ),
    RuleCase(
        name="an alternative address is http",
        kind="Specialist",
        good={
            "spec.model": GONE,
            "spec.external": EXTERNAL | {"alternativeURLs": ["https://b.c/v1"]},
        },
        bad={"spec.model": GONE, "spec.external": EXTERNAL | {"alternativeURLs": ["b.c"]}},
        at="spec.external.alternativeURLs[0]",
        says="an alternative must be an http or https address without a query, such as "
        'https://api.eu.example.com/v1; got "b.c"',
    ),
    RuleCase(
        name="to burst out there must be somewhere to go",
        kind="Specialist",
        good={
            "spec.placement.burst": "Switch",
            "spec.placement.alternative": {"specialistRef": "frontier"},
        },
        bad={"spec.placement.burst": "Switch"},
        at="spec.placement.burst",
        says="burst Switch needs somewhere to send requests: name an external Specialist in "
        "placement.alternative.specialistRef, or leave burst out",
    ),
    RuleCase(
        name="max replicas is not below min",
        kind="Specialist",
        good={"spec.placement.replicas": {"min": 3, "max": 3}},
        bad={"spec.placement.replicas": {"min": 3, "max": 1}},
        at="spec.placement.replicas.max",
        says="replicas.max must be at least replicas.min: raise max, lower min, or leave max out; "
        "got min 3 and max 1",
    ),
    RuleCase(
        name="a tier is listed once",
        kind="Specialist",
        good={"spec.placement.tiers": ["h100", "rtx-4090"]},
        bad={"spec.placement.tiers": ["h100", "h100"]},
        at="spec.placement.tiers",
        says="tiers must name each GPUTier once: remove the repeated name",
    ),
    RuleCase(
        name="an escalation is listed once",
        kind="Specialist",
        good={"spec.routing.escalateTo": ["b", "a"]},
        bad={"spec.routing.escalateTo": ["a", "b", "a"]},
        at="spec.routing.escalateTo",
        says="escalateTo must name each Specialist once: remove the repeated name",
    ),
    RuleCase(
        name="tierwise sets the port",
        kind="Specialist",
        good={"spec.engine.args": ["--enforce-eager", "--portable"]},
        bad={"spec.engine.args": ["--enforce-eager", "--port=9000"]},
        at="spec.engine.args",
        says="args must not hold --port, --served-model-name or --tensor-parallel-size: tierwise "
        "sets them; write placement.tensorParallel for the last",
    ),
    RuleCase(
        name="a variable is set once",
        kind="Specialist",
        good={"spec.engine.env": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}]},
        bad={"spec.engine.env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]},
        at="spec.engine.env",
        says="env must have each name once: remove the repeated variable",
    ),
    RuleCase(
        name="a variable has one source",
        kind="Specialist",
        good={"spec.engine.env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]},
        bad={
            "spec.engine.env": [
                {"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}
            ]
        },
        at="spec.engine.env[0]",
        says="value and valueFrom must not both be given: keep one",
    ),
    RuleCase(
        name="the cache has a dtype of the engine's",
        kind="Specialist",
        good={"spec.model.kvCacheDtype": "fp8"},
        bad={"spec.model.kvCacheDtype": "fp4"},
        at="spec.model.kvCacheDtype",
        says="kvCacheDtype must be one of the engine's: auto, bfloat16, float16, fp8, fp8_e4m3, "
        "fp8_e5m2, fp8_inc, fp8_per_token_head, int8_per_token_head, nvfp4, fp8_ds_mla; "
        'got "fp4"',
    ),
)
