"""No test is timed: on a machine that is busy an example may take long, and that is no fault of what is tested."""

from hypothesis import HealthCheck, settings

# Over the profile of a build server, where there is one: the same examples every time.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
