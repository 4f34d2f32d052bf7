"""The ledger's windows as samples of a rollout."""

from __future__ import annotations

from tierwise_core.field_profiles import FieldJudgement
from tierwise_core.rollout.samples import SideSample
from tierwise_core.windows import E4, Window

__all__ = ["side_of"]


def side_of(
    window: Window,
    judgement: FieldJudgement,
    cost_usd: float = 0.0,
    p50_s: float | None = None,
    p99_s: float | None = None,
) -> SideSample:
    """Read one side of a rollout out of a window.

    An answer's utility is ``w_e E + w_c P``. Contradictions are left out of it, because they have a
    test of their own, and so is the bonus K, which is the same for every answer of a window.

    Ten answers at 0.9, of which eight were accepted, where E counts 0.6 and P 0.35:

    >>> window = Window(asked=10, judged=10, accepted=8, verifier=10, confidence_e4=90_000,
    ...     confidence_squared_e8=810_000_000, accepted_confidence_e4=72_000)
    >>> round(side_of(window, FieldJudgement()).utility, 3)
    7.95
    """
    of_yes, of_told = judgement.weights.efficacy, judgement.weights.confidence
    told = window.confidence_e4 / E4
    squares = (
        of_yes**2 * window.accepted
        + of_told**2 * window.confidence_squared_e8 / E4**2
        + 2 * of_yes * of_told * window.accepted_confidence_e4 / E4
    )
    return SideSample(
        judged=window.judged,
        utility=of_yes * window.accepted + of_told * told,
        utility_squared=squares,
        verdicts=window.judged,
        accepted=window.accepted,
        compared=window.compared,
        contradictions=window.contradicted,
        requests=window.asked,
        escalations=window.escalated,
        cost_usd=cost_usd,
        p50_s=p50_s,
        p99_s=p99_s,
    )
