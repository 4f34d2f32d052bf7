"""What a candidate is examined with before anybody is served, and how that went."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tierwise_api.base import Spec, Status
from tierwise_api.common import Fraction01, Name, Text
from tierwise_api.corev1 import SecretRef
from tierwise_api.rules import Rule, matches
from tierwise_core.examining.set_source import SET_SOURCE

__all__ = [
    "ConfigMapFile",
    "ExaminationStatus",
    "FieldConfigMapFile",
    "FieldHeldOutSet",
    "HeldOutJudge",
    "HeldOutSet",
]

MOST_QUESTIONS = 2_000

Key = Annotated[
    str,
    Field(max_length=253),
    matches(
        "[-._a-zA-Z0-9]+",
        "key must be the name of a file in the ConfigMap: letters, digits, dashes, dots and "
        "underscores, such as questions.jsonl",
    ),
]

SetSource = Annotated[
    str,
    Field(max_length=1024),
    matches(
        SET_SOURCE,
        "source must be a file of questions: hf://datasets/ORG/NAME/FILE.jsonl, "
        "s3://BUCKET/PATH/FILE.jsonl, pvc://CLAIM/PATH/FILE.jsonl or file:///PATH/FILE.jsonl",
    ),
]
"""Where a held-out set is that no ConfigMap holds."""

# Known words; a reader of ours accepts those of a newer version too.
State = Annotated[
    str, Field(json_schema_extra={"enum": ["Missing", "Running", "Done", "Unreadable"]})
]


class ConfigMapFile(Spec):
    """A file in a ConfigMap of the same namespace."""

    name: Text = Field(description="The ConfigMap's name.", examples=["sorting-held-out"])
    key: Key = Field(
        default="questions.jsonl",
        description="The file in it: one JSON object a line.",
        examples=["questions.jsonl"],
    )


class FieldConfigMapFile(ConfigMapFile):
    """A file in a ConfigMap: of one namespace for the whole field, or of each Specialist's own."""

    namespace: Name | None = Field(
        default=None,
        description="The ConfigMap's namespace. By default that of the Specialist, so that each "
        "namespace keeps a set of its own.",
        examples=["quality"],
    )


class HeldOutJudge(Spec):
    """A Specialist that says whether answers are right, for questions whose answer is free text."""

    specialist: str = Field(
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        max_length=127,
        description="Its full name, namespace/name; one whose model tierwise runs.",
        examples=["quality/judge"],
    )
    instruction: str = Field(
        default="",
        max_length=4096,
        description="What it is told before question and answer; it has to begin with yes or no. "
        "By default it is asked whether the answer is right.",
        examples=["Is the answer polite? Begin with yes or no."],
    )


class HeldOutSet(Spec):
    """Questions that training never saw; both sides answer all of them at temperature 0.

    A line is an object with question (or prompt, or messages), answer (or answers, any of which is
    right), and if it likes id and verifier, for this question alone.
    """

    rules = (
        Rule(
            cel="has(self.configMap) != has(self.source)",
            holds=lambda self: (self.config_map is None) != (self.source is None),
            message="exactly one of configMap and source must be given: where the questions are",
        ),
        Rule(
            cel="has(self.source) || (!has(self.revision) && !has(self.secretRef))",
            holds=lambda self: (
                self.source is not None or (self.revision is None and self.secret_ref is None)
            ),
            message="revision and secretRef must be left out without source: a ConfigMap needs "
            "neither",
            at="source",
        ),
    )

    config_map: ConfigMapFile | None = Field(
        default=None,
        description="Where the questions are, if in a ConfigMap. It holds 1 MiB: some thousands of "
        "them.",
        examples=[{"name": "sorting-held-out", "key": "questions.jsonl"}],
    )
    source: SetSource | None = Field(
        default=None,
        description="Where the questions are, if in a file of at most 8 MiB: "
        "hf://datasets/ORG/NAME/FILE.jsonl on the Hugging Face hub (hf://ORG/NAME/FILE.jsonl "
        "beside a model), s3://BUCKET/PATH/FILE.jsonl, pvc://CLAIM/PATH/FILE.jsonl on a volume of "
        "the Rollout's namespace, or file:///PATH/FILE.jsonl where the operator runs.",
        examples=["hf://datasets/example-org/sorting/held-out.jsonl"],
    )
    revision: str | None = Field(
        default=None,
        max_length=253,
        description="The branch, tag or commit of an hf:// source. By default main.",
        examples=["v2"],
    )
    secret_ref: SecretRef | None = Field(
        default=None,
        description="The Secret with the credentials of the source, in the Rollout's namespace; "
        "keys as for models: HF_TOKEN, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        examples=[{"name": "model-store"}],
    )
    verifier: Name | None = Field(
        default=None,
        description="Who says that an answer is right: exact (the answer itself, but for white "
        "space), contains, number (its last number), regex (answer is a pattern), json, refusal "
        "(it declines) or judge (another model says so). By default exact, refusal for a safety "
        "set, and judge where judge is given.",
        examples=["exact"],
    )
    judge: HeldOutJudge | None = Field(
        default=None,
        description="Who judges with the verifier judge.",
        examples=[{"specialist": "quality/judge"}],
    )
    tolerance: Fraction01 | None = Field(
        default=None,
        lt=1,
        description="The share of questions, 0 to below 1, by which green may fall behind blue. "
        "By default the change of utility that counts in the field, and 0 for a safety set.",
        examples=[0.02],
    )
    max_questions: int = Field(
        default=500,
        ge=1,
        le=MOST_QUESTIONS,
        description="How many are asked, from the first line on.",
        examples=[200],
    )
    max_tokens: int = Field(
        default=256,
        ge=1,
        le=32_768,
        description="The longest answer, in tokens.",
        examples=[64],
    )
    concurrency: int = Field(
        default=4,
        ge=1,
        le=64,
        description="Questions under way at the same time on each side. Blue serves users "
        "meanwhile: keep it small.",
        examples=[2],
    )


class FieldHeldOutSet(HeldOutSet):
    """A held-out set for every Specialist of the field whose Rollout names none."""

    config_map: FieldConfigMapFile | None = Field(
        default=None,
        description="Where the questions are, if in a ConfigMap.",
        examples=[{"namespace": "quality", "name": "sorting-held-out"}],
    )


class ExaminationStatus(Status):
    """How far an examination is, or how it ended."""

    state: State = Field(description="Missing: there is no set. Unreadable: message says why.")
    questions: int = Field(default=0, ge=0, description="How many are asked.")
    answered: int = Field(default=0, ge=0, description="How many of them both sides have answered.")
    blue_right: int = Field(default=0, ge=0, description="Right answers of blue's.")
    green_right: int = Field(default=0, ge=0, description="Right answers of green's.")
    only_blue: int = Field(default=0, ge=0, description="Questions that only blue got right.")
    only_green: int = Field(default=0, ge=0, description="Questions that only green got right.")
    unanswered: int = Field(
        default=0,
        ge=0,
        description="Questions to which a side gave no answer: green's count as wrong, blue's are "
        "left out.",
    )
    tolerance: float | None = Field(
        default=None, description="The share by which green may fall behind."
    )
    loses: bool = Field(default=False, description="Whether green lost more than is tolerated.")
    message: str = Field(default="", max_length=4096, description="The same for people.")
    lost: list[str] = Field(
        default_factory=list,
        max_length=20,
        description="The first questions that only blue got right, by id or line.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    digest: str = Field(
        default="",
        max_length=128,
        description="What was asked of whom; the examination begins anew when it changes.",
    )
    blue_marks: str = Field(
        default="",
        max_length=MOST_QUESTIONS,
        description="Blue's answers, one character a question: 1 right, 0 wrong, x none, . not "
        "asked yet.",
    )
    green_marks: str = Field(
        default="", max_length=MOST_QUESTIONS, description="Green's answers, likewise."
    )
