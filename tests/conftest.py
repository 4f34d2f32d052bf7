"""What every folder of tests may ask for."""

from apiserver import api_server
from hypothesis import HealthCheck, settings

__all__ = ["api_server"]

# The engine's own Python runs it; ours, which looks for doctests everywhere, has no torch.
collect_ignore = ["_support/engine_probe.py"]

# Properties are about results; a busy machine must not fail them.
settings.register_profile(
    "tierwise", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tierwise")
