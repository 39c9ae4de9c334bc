"""What holds for all tests: hypothesis tries the same examples every time, and takes no offence at a slow machine.

`scripts/test explore` (pytest --hypothesis-profile=explore) tries others, and more of them.
"""

from hypothesis import HealthCheck, settings

PATIENT = settings(deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", PATIENT, derandomize=True)
settings.register_profile("explore", PATIENT, max_examples=1000)
settings.load_profile("same")
