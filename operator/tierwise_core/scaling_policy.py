"""What a user asks of the autoscaler: bounds, targets and windows."""

from dataclasses import dataclass

PIECES_OF_WINDOW = 16
PIECES_IN_ALL = 256
"""Into how many pieces the remembered time is cut at most; of each only its peak is kept."""


@dataclass(frozen=True, slots=True)
class ScalingPolicy:
    """What the user asks for.

    ``target_in_flight`` and ``target_tokens_per_second`` are those of one replica.
    """

    min_replicas: int
    max_replicas: int
    target_in_flight: float
    target_tokens_per_second: float | None = None
    scale_down_after_seconds: float = 300.0
    sleep_after_seconds: float = 600.0

    @property
    def automatic(self) -> bool:
        """Whether there is anything to choose.

        >>> ScalingPolicy(1, 3, 6.4).automatic, ScalingPolicy(2, 2, 6.4).automatic
        (True, False)
        """
        return self.max_replicas > self.min_replicas

    @property
    def sleeps(self) -> bool:
        """Whether it may go to zero and be woken.

        >>> ScalingPolicy(0, 1, 6.4).sleeps, ScalingPolicy(0, 0, 6.4).sleeps
        (True, False)
        """
        return self.automatic and self.min_replicas == 0

    @property
    def keep_seconds(self) -> float:
        """How far back decisions look."""
        sleep = self.sleep_after_seconds if self.sleeps else 0.0
        return max(self.scale_down_after_seconds, sleep)

    @property
    def piece_seconds(self) -> float:
        """How long the looks are that are remembered as one: by so much a decision may be late."""
        windows = [self.scale_down_after_seconds]
        if self.sleeps:
            windows.append(self.sleep_after_seconds)
        return max(min(windows) / PIECES_OF_WINDOW, self.keep_seconds / PIECES_IN_ALL)

    def bounded(self, replicas: int) -> int:
        """Return the nearest number that is allowed.

        >>> ScalingPolicy(1, 3, 6.4).bounded(0), ScalingPolicy(1, 3, 6.4).bounded(7)
        (1, 3)
        """
        return min(max(replicas, self.min_replicas), self.max_replicas)
