"""What every folder of tests may ask for."""

from apiserver import api_server
from hypothesis import HealthCheck, settings

__all__ = ["api_server"]

# Properties are about results; a busy machine must not fail them.
settings.register_profile(
    "tierwise", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tierwise")
