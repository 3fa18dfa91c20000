"""Settings of all tests.

Hypothesis runs without a deadline, since machines share cores, and derandomised: the same
examples each time, so that a failure belongs to a change and not to luck. To look further,
run ``pytest --hypothesis-profile=search``: fresh examples, ten times as many.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile(
    "steady", deadline=None, derandomize=True, database=None, suppress_health_check=_SLOW
)
settings.register_profile("search", deadline=None, max_examples=2000, suppress_health_check=_SLOW)
settings.load_profile("steady")

pytest_plugins = [
    "tests.databases",  # the fixtures database, database_place, postgres_cluster
    "tests.tally",  # the fixture tally, and the table of faults at the end
]
