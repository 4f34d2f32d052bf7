"""Properties of the routing tests are about results; a busy machine must not fail them."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "routing", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("routing")
