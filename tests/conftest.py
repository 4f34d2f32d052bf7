"""What every folder of tests may ask for."""

from apiserver import api_server
from hypothesis import HealthCheck, settings

__all__ = ["api_server"]

# Other Pythons run them; ours, which looks for doctests everywhere, has no torch and no clients.
collect_ignore = ["_support/engine_probe.py", "_support/drivers"]

# Properties are about results; a busy machine must not fail them.
settings.register_profile(
    "tierwise", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tierwise")
