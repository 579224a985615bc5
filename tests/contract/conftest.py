"""Fixtures of the contract suites."""

from tests.contract.stores import opened, redis_cluster, redis_process, run

__all__ = ["opened", "redis_cluster", "redis_process", "run"]
