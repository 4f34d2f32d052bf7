"""For every rule of every kind its case, for every change that is refused, for every bound."""

from __future__ import annotations

from dataclasses import dataclass

from manifests import EXTERNAL, GONE
from rulecase import QUANTITY, Changes, RuleCase
from rulecases_specialist import SPECIALIST

TIER_NAME = (
    "must be the name of a GPUTier: lower case letters, digits, inner dashes and dots, such as "
    "rtx-4090"
)
DURATION = "must be a duration above zero with the units h, m, s or ms, such as 10m or 1h30m"

GPU_TIER = (
    RuleCase(
        name="a product is a label value",
        kind="GPUTier",
        good={"spec.gpu.product": "NVIDIA-H100-80GB-HBM3"},
        bad={"spec.gpu.product": "NVIDIA GeForce RTX 4090"},
        at="spec.gpu.product",
        says="product must be written as in the node label nvidia.com/gpu.product, such as "
        'NVIDIA-GeForce-RTX-4090; got "NVIDIA GeForce RTX 4090"',
    ),
    RuleCase(
        name="memory is a quantity",
        kind="GPUTier",
        good={"spec.gpu.memory": "24G"},
        bad={"spec.gpu.memory": "24GB"},
        at="spec.gpu.memory",
        says=f'{QUANTITY}; got "24GB"',
    ),
    RuleCase(
        name="memory is positive",
        kind="GPUTier",
        good={"spec.gpu.memory": 25769803776},
        bad={"spec.gpu.memory": -1},
        at="spec.gpu.memory",
        says=f'{QUANTITY}; got "-1"',
    ),
    RuleCase(
        name="a price is above zero",
        kind="GPUTier",
        good={"spec.price.perGPUHour": 0.001},
        bad={"spec.price.perGPUHour": 0},
        at="spec.price.perGPUHour",
        says="perGPUHour must be above 0, or every model would be placed here first: write what an "
        "hour of one GPU costs in USD, for hardware of your own its share of purchase and energy, "
        "such as 0.05; got 0",
    ),
    RuleCase(
        name="a resource name has a domain",
        kind="GPUTier",
        good={"spec.resourceName": "nvidia.com/mig-1g.10gb"},
        bad={"spec.resourceName": "gpu"},
        at="spec.resourceName",
        says="resourceName must be the extended resource that a device plugin offers, such as "
        'nvidia.com/gpu or nvidia.com/mig-1g.10gb; got "gpu"',
    ),
    RuleCase(
        name="escalateTo is a tier's name",
        kind="GPUTier",
        good={"spec.escalateTo": "h100-1g.10gb"},
        bad={"spec.escalateTo": "H100"},
        at="spec.escalateTo",
        says=f'{TIER_NAME}; got "H100"',
    ),
    RuleCase(
        name="a tier does not escalate to itself",
        kind="GPUTier",
        good={"spec.escalateTo": "h100"},
        bad={"spec.escalateTo": "rtx-4090"},
        at="spec.escalateTo",
        says="escalateTo must name another, stronger GPUTier, or be left out on the strongest "
        'one; got the tier itself, "rtx-4090"',
    ),
    RuleCase(
        name="a tier's name is a label value",
        kind="GPUTier",
        good={"metadata.name": "x" * 63},
        bad={"metadata.name": "x" * 64},
        at="metadata.name",
        says="metadata.name must have at most 63 characters: it becomes the label "
        "tierwise.dev/tier of the tier's pods",
    ),
    RuleCase(
        name="Exists takes no value",
        kind="GPUTier",
        good={"spec.tolerations": [{"key": "gpu", "operator": "Exists"}]},
        bad={"spec.tolerations": [{"key": "gpu", "operator": "Exists", "value": "4090"}]},
        at="spec.tolerations[0].value",
        says="value must be left out when operator is Exists: it matches every value",
    ),
    RuleCase(
        name="a toleration tolerates something",
        kind="GPUTier",
        good={"spec.tolerations": [{"operator": "Exists"}]},
        bad={"spec.tolerations": [{"effect": "NoSchedule"}]},
        at="spec.tolerations[0].key",
        says="key must be given unless operator is Exists: without both, nothing would be "
        "tolerated",
    ),
)

ROLLOUT = (
    RuleCase(
        name="floor is below ceiling",
        kind="Rollout",
        good={"spec.strategy": {"floorPercent": 5, "ceilingPercent": 6}},
        bad={
            "spec.strategy": {"floorPercent": 50, "ceilingPercent": 50, "initialWeightPercent": 50}
        },
        at="spec.strategy.floorPercent",
        says="floorPercent must be below ceilingPercent; got floor 50 and ceiling 50",
    ),
    RuleCase(
        name="the first share lies in between",
        kind="Rollout",
        good={"spec.strategy": {"floorPercent": 10, "initialWeightPercent": 10}},
        bad={"spec.strategy": {"floorPercent": 10, "initialWeightPercent": 9}},
        at="spec.strategy.initialWeightPercent",
        says="initialWeightPercent must lie between floorPercent and ceilingPercent; got 9 "
        "outside 10 to 95",
    ),
    RuleCase(
        name="the threshold can be reached",
        kind="Rollout",
        good={"spec.strategy": {"promotionThreshold": 0.95}},
        bad={"spec.strategy": {"promotionThreshold": 0.96}},
        at="spec.strategy.promotionThreshold",
        says="promotionThreshold must be at most ceilingPercent / 100, or green never gets there; "
        "got threshold 0.96 and ceiling 95",
    ),
    RuleCase(
        name="stages belong to their type",
        kind="Rollout",
        good={"spec.strategy": {"type": "Stages", "stages": [{"percent": 10}]}},
        bad={"spec.strategy": {"stages": [{"percent": 10}]}},
        at="spec.strategy.stages",
        says="stages apply to type Stages: remove them, or set the type; got type Utility",
    ),
    RuleCase(
        name="stages rise",
        kind="Rollout",
        good={
            "spec.strategy": {
                "type": "Stages",
                "stages": [{"shadowPercent": 5}, {"percent": 10}, {"percent": 99}],
            }
        },
        bad={
            "spec.strategy": {
                "type": "Stages",
                "stages": [{"percent": 10}, {"percent": 50}, {"percent": 10}],
            }
        },
        at="spec.strategy.stages",
        says="stages must rise in percent, each once; a stage of shadows comes first, and there is "
        "at most one",
    ),
    RuleCase(
        name="a stage serves or listens",
        kind="Rollout",
        good={"spec.strategy": {"type": "Stages", "stages": [{"shadowPercent": 10}]}},
        bad={"spec.strategy": {"type": "Stages", "stages": [{"percent": 10, "shadowPercent": 10}]}},
        at="spec.strategy.stages[0].percent",
        says="percent or shadowPercent must be above 0, and only one of them: a stage either "
        "serves users or only listens; got percent 10 and shadowPercent 10",
    ),
    RuleCase(
        name="a gate is skipped once",
        kind="Rollout",
        good={"spec.strategy": {"skipGates": ["RampPlan", "RollbackPath"]}},
        bad={"spec.strategy": {"skipGates": ["RampPlan", "RampPlan"]}},
        at="spec.strategy.skipGates",
        says="skipGates must name a gate once",
    ),
    RuleCase(
        name="a signal is ignored once",
        kind="Rollout",
        good={"spec.strategy": {"signals": {"ignore": ["Escalations"]}}},
        bad={"spec.strategy": {"signals": {"ignore": ["Escalations", "Escalations"]}}},
        at="spec.strategy.signals.ignore",
        says="ignore must name a signal once",
    ),
    RuleCase(
        name="a held-out set is a file in a ConfigMap",
        kind="Rollout",
        good={"spec.strategy": {"benchmark": {"configMap": {"name": "set", "key": "a.jsonl"}}}},
        bad={"spec.strategy": {"benchmark": {"configMap": {"name": "set", "key": "a/b"}}}},
        at="spec.strategy.benchmark.configMap.key",
        says="key must be the name of a file in the ConfigMap: letters, digits, dashes, dots and "
        'underscores, such as questions.jsonl; got "a/b"',
    ),
    RuleCase(
        name="a candidate is a model or what a Job makes",
        kind="Rollout",
        good={"spec.candidate": {"trainedBy": "sorter-train-1"}},
        bad={"spec.candidate": {"trainedBy": "sorter-train-1", "model": {"source": "hf://a/b"}}},
        at="spec.candidate",
        says="exactly one of model and trainedBy must be given: what is tried out",
    ),
    RuleCase(
        name="a held-out set is a file of questions",
        kind="Rollout",
        good={"spec.strategy": {"benchmark": {"source": "s3://sets/sorting/held-out.jsonl"}}},
        bad={"spec.strategy": {"benchmark": {"source": "s3://sets/sorting"}}},
        at="spec.strategy.benchmark.source",
        says="source must be a file of questions: hf://datasets/ORG/NAME/FILE.jsonl, "
        "s3://BUCKET/PATH/FILE.jsonl, pvc://CLAIM/PATH/FILE.jsonl or file:///PATH/FILE.jsonl; "
        'got "s3://sets/sorting"',
    ),
    RuleCase(
        name="a held-out set is in one place",
        kind="Rollout",
        good={"spec.strategy": {"safety": {"source": "pvc://sets/probes.jsonl"}}},
        bad={
            "spec.strategy": {
                "safety": {"source": "pvc://sets/probes.jsonl", "configMap": {"name": "set"}}
            }
        },
        at="spec.strategy.safety",
        says="exactly one of configMap and source must be given: where the questions are",
    ),
    RuleCase(
        name="a ConfigMap has no revision",
        kind="Rollout",
        good={
            "spec.strategy": {
                "safety": {"source": "hf://datasets/acme/probes/en.jsonl", "revision": "v1"}
            }
        },
        bad={"spec.strategy": {"safety": {"configMap": {"name": "set"}, "revision": "v1"}}},
        at="spec.strategy.safety.source",
        says="revision and secretRef must be left out without source: a ConfigMap needs neither",
    ),
    RuleCase(
        name="a cooldown is a duration",
        kind="Rollout",
        good={"spec.strategy": {"cooldown": "1h30m"}},
        bad={"spec.strategy": {"cooldown": "10 minutes"}},
        at="spec.strategy.cooldown",
        says=f'{DURATION}; got "10 minutes"',
    ),
    RuleCase(
        name="a deadline is above zero",
        kind="Rollout",
        good={"spec.strategy": {"deadline": "1ms"}},
        bad={"spec.strategy": {"deadline": "0s"}},
        at="spec.strategy.deadline",
        says=f'{DURATION}; got "0s"',
    ),
    RuleCase(
        name="abort or promote",
        kind="Rollout",
        good={"spec.abort": True},
        bad={"spec.abort": True, "spec.promote": True},
        at="spec.promote",
        says="abort and promote must not both be true: abort goes back to blue, promote makes "
        "green final",
    ),
)

FIELD_PROFILE = (
    RuleCase(
        name="weights sum to one",
        kind="FieldProfile",
        good={"spec.weights": {"efficacy": 0.7, "confidence": 0.2, "curiosity": 0.1}},
        bad={"spec.weights": {"efficacy": 1, "confidence": 0.5, "curiosity": 0.05}},
        at="spec.weights",
        says="weights must sum to 1 over efficacy, confidence and curiosity; got 1 + 0.5 + 0.05",
    ),
    RuleCase(
        name="a profile is named as its field",
        kind="FieldProfile",
        good={"metadata.name": "software-engineering"},
        bad={"metadata.name": "software.engineering"},
        at="metadata.name",
        says="metadata.name must be the name of a field: at most 63 lower case letters, digits "
        'and inner dashes; got "software.engineering"',
    ),
)

ROUTER_POLICY = (
    RuleCase(
        name="an embeddings endpoint has an address",
        kind="RouterPolicy",
        good={"spec.classifier.embeddings": {"baseURL": "http://embedder:8000/v1", "model": "m"}},
        bad={"spec.classifier.embeddings": {"baseURL": "embedder:8000/v1", "model": "m"}},
        at="spec.classifier.embeddings.baseURL",
        says="baseURL must be an http or https address without a query, such as "
        'http://embedder.demo:8000/v1; got "embedder:8000/v1"',
    ),
    RuleCase(
        name="word vectors lie at an absolute path",
        kind="RouterPolicy",
        good={"spec.classifier.wordVectors": "/models/words"},
        bad={"spec.classifier.wordVectors": "models/words"},
        at="spec.classifier.wordVectors",
        says="wordVectors must be an absolute path, such as /models/potion-base-8M; "
        'got "models/words"',
    ),
    RuleCase(
        name="a pattern is of one kind",
        kind="RouterPolicy",
        good={
            "spec.patterns.named": [
                {"name": "both", "dualRun": {"primary": "demo/old", "candidate": "demo/new"}}
            ]
        },
        bad={"spec.patterns.named": [{"name": "both"}]},
        at="spec.patterns.named[0]",
        says="exactly one of orchestratorWorkers, evaluatorOptimizer and dualRun must be given; "
        "got both",
    ),
    RuleCase(
        name="no pattern is called auto",
        kind="RouterPolicy",
        good={"spec.patterns.named": [{"name": "automatic", "orchestratorWorkers": {}}]},
        bad={"spec.patterns.named": [{"name": "auto", "orchestratorWorkers": {}}]},
        at="spec.patterns.named[0]",
        says="name must not be auto, which is every router's own",
    ),
    RuleCase(
        name="an override of time-outs says for whom",
        kind="RouterPolicy",
        good={"spec.resilience": {"timeoutOverrides": [{"latencyClass": "batch", "whole": "4h"}]}},
        bad={"spec.resilience": {"timeoutOverrides": [{"whole": "4h"}]}},
        at="spec.resilience.timeoutOverrides[0]",
        says="name a specialist, a latencyClass or both; what is meant for every request belongs "
        "into timeouts",
    ),
    RuleCase(
        name="contents are of tenants in their namespaces",
        kind="RouterPolicy",
        good={"spec.contents": {"tenants": ["demo/team-a", "*"], "fields": ["sorting"]}},
        bad={"spec.contents": {"tenants": ["team-a"]}},
        at="spec.contents.tenants[0]",
        says="must be a tenant as NAMESPACE/NAME, such as demo/team-a, or * for everybody; "
        'got "team-a"',
    ),
    RuleCase(
        name="a scorer weighs once",
        kind="RouterPolicy",
        good={"spec.decision": {"scorers": [{"name": "cost", "weight": 1}]}},
        bad={
            "spec.decision": {
                "scorers": [{"name": "cost", "weight": 1}, {"name": "cost", "weight": 2}]
            }
        },
        at="spec.decision.scorers",
        says="scorers must name each scorer once: remove the repeated name",
    ),
    RuleCase(
        name="a verifier's name is its own",
        kind="RouterPolicy",
        good={"spec.decision": {"verifiers": [{"name": "short", "length": {}}]}},
        bad={
            "spec.decision": {
                "verifiers": [{"name": "short", "length": {}}, {"name": "short", "length": {}}]
            }
        },
        at="spec.decision.verifiers",
        says="verifiers must have names of their own: two have the same",
    ),
    RuleCase(
        name="a verifier is of one kind",
        kind="RouterPolicy",
        good={"spec.decision": {"verifiers": [{"name": "a", "regex": {"pattern": "^a$"}}]}},
        bad={
            "spec.decision": {
                "verifiers": [{"name": "a", "regex": {"pattern": "^a$"}, "length": {}}]
            }
        },
        at="spec.decision.verifiers[0].name",
        says="a verifier must have exactly one of regex, jsonSchema, length, http and llmJudge: "
        "keep one",
    ),
    RuleCase(
        name="a length leaves room",
        kind="RouterPolicy",
        good={
            "spec.decision": {
                "verifiers": [{"name": "a", "length": {"minCharacters": 2, "maxCharacters": 2}}]
            }
        },
        bad={
            "spec.decision": {
                "verifiers": [{"name": "a", "length": {"minCharacters": 3, "maxCharacters": 2}}]
            }
        },
        at="spec.decision.verifiers[0].length.maxCharacters",
        says="maxCharacters must be at least minCharacters: raise it, or lower the other; got 3 "
        "and 2",
    ),
)

RULE_CASES = (*GPU_TIER, *SPECIALIST, *ROLLOUT, *FIELD_PROFILE, *ROUTER_POLICY)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeCase:
    """A change to a stored object that is refused, and what people read."""

    kind: str
    change: Changes
    at: str
    says: str


CHANGE_CASES = (
    ChangeCase(
        kind="Specialist",
        change={"spec.field": "reversing"},
        at="spec.field",
        says="field cannot change, what was learnt about it would no longer hold: create another "
        "Specialist and delete this one",
    ),
    ChangeCase(
        kind="Rollout",
        change={"spec.specialistRef.name": "reverser"},
        at="spec.specialistRef",
        says="specialistRef cannot change: create another Rollout for another Specialist",
    ),
    ChangeCase(
        kind="Rollout",
        change={"spec.candidate.model.source": "hf://acme/sorter"},
        at="spec.candidate",
        says="candidate cannot change: create another Rollout for another candidate",
    ),
)

LIMITS = (
    ("GPUTier", {"spec.price.perGPUHour": -0.1}, "spec.price.perGPUHour"),
    ("GPUTier", {"spec.price": GONE}, "spec.price"),
    ("GPUTier", {"spec.usableFraction": 0}, "spec.usableFraction"),
    ("GPUTier", {"spec.usableFraction": 1.01}, "spec.usableFraction"),
    ("GPUTier", {"spec.confidenceFloor": 1.5}, "spec.confidenceFloor"),
    ("GPUTier", {"spec.gpu.tdpWatts": "450"}, "spec.gpu.tdpWatts"),
    ("GPUTier", {"spec.tolerations": [{"operator": "In"}]}, "spec.tolerations[0].operator"),
    ("Specialist", {"spec.field": GONE}, "spec.field"),
    ("Specialist", {"spec.field": "f" * 64}, "spec.field"),
    ("Specialist", {"spec.priority": 2_000_000}, "spec.priority"),
    ("Specialist", {"spec.model.maxModelLen": 0}, "spec.model.maxModelLen"),
    ("Specialist", {"spec.placement.targetConcurrency": 0}, "spec.placement.targetConcurrency"),
    ("Specialist", {"spec.placement.tensorParallel": 65}, "spec.placement.tensorParallel"),
    ("Specialist", {"spec.placement.replicas.min": -1}, "spec.placement.replicas.min"),
    ("Specialist", {"spec.placement.replicas.min": True}, "spec.placement.replicas.min"),
    ("Specialist", {"spec.routing.latencyClass": "Fast"}, "spec.routing.latencyClass"),
    ("Specialist", {"spec.routing.examples": ["x"] * 513}, "spec.routing.examples"),
    (
        "Specialist",
        {"spec.model": GONE, "spec.external": EXTERNAL | {"deprecationDate": "soon"}},
        "spec.external.deprecationDate",
    ),
    (
        "Specialist",
        {"spec.model": GONE, "spec.external": EXTERNAL | {"secretRef": {"name": "openai"}}},
        "spec.external.secretRef.key",
    ),
    ("Rollout", {"spec.specialistRef": GONE}, "spec.specialistRef"),
    ("Rollout", {"spec.strategy.temperature": 0}, "spec.strategy.temperature"),
    ("Rollout", {"spec.strategy.onInconclusive": "hold"}, "spec.strategy.onInconclusive"),
    ("FieldProfile", {"spec.penaltyMultiplier": 0.5}, "spec.penaltyMultiplier"),
    ("FieldProfile", {"spec.riskTier": "high"}, "spec.riskTier"),
    ("FieldProfile", {"spec.promotionThreshold": 0.5}, "spec.promotionThreshold"),
    (
        "RouterPolicy",
        {"spec.resilience": {"breaker": {"failureShare": 0}}},
        "spec.resilience.breaker.failureShare",
    ),
    ("RouterPolicy", {"spec.decision": {"maxHops": 0}}, "spec.decision.maxHops"),
    (
        "RouterPolicy",
        {"spec.decision": {"verifiers": [{"name": "a", "length": {}, "trust": 0.5}]}},
        "spec.decision.verifiers[0].trust",
    ),
    ("Tenant", {"spec.weight": 0}, "spec.weight"),
    ("Tenant", {"spec.limits": {"maxConcurrent": 0}}, "spec.limits.maxConcurrent"),
)
"""Objects outside the schema's own bounds, and the field to blame."""
