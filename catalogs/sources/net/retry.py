"""Ask again: exponential backoff with full jitter, within a number of attempts and a deadline."""

from collections.abc import Callable
from typing import TypeVar

from catalogs.sources.net.clock import Clock
from catalogs.sources.net.counts import Tally
from catalogs.sources.net.hosts import Policy
from catalogs.sources.net.outcomes import Outcome, Then

T = TypeVar("T")


def backoff_s(tried: int, policy: Policy, jitter: float) -> float:
    """Seconds before the next attempt after `tried` of them: anywhere up to a doubling bound.

    Full jitter spreads readers that failed together best; see the AWS Architecture Blog,
    "Exponential Backoff And Jitter".
    """
    return jitter * min(policy.cap_s, policy.base_s * 2.0 ** (tried - 1))


def wait_s(outcome: Outcome, tried: int, policy: Policy, clock: Clock) -> float:
    """Seconds to wait after a failure: what the server asked for, with a little spread, or a backoff."""
    if outcome.wait_s is None:
        return backoff_s(tried, policy, clock.jitter())
    return min(outcome.wait_s, policy.retry_after_s) + clock.jitter() * policy.base_s


def persist(
    once: Callable[[float], T | Outcome],
    renew: Callable[[], bool],
    policy: Policy,
    clock: Clock,
    tally: Tally,
) -> T | Outcome:
    """The first result of `once` that is no outcome, else the outcome that ended the attempts.

    Args:
        once: one attempt, given the deadline on `clock.now`.
        renew: renews the signature; False when there is nothing to gain. Called at most once.
        policy: attempts, deadline, waits.
        clock: time.
        tally: where retries and waits are counted.
    """
    until, renewed = clock.now() + policy.deadline_s, False
    for tried in range(1, policy.attempts + 1):
        result = once(until)
        if not isinstance(result, Outcome) or result.then in (Then.LATER, Then.STOP):
            return result
        wait = 0.0
        if result.then is Then.RENEW:
            if renewed or not renew():
                return result
            renewed = True
        else:
            wait = wait_s(result, tried, policy, clock)
        if tried == policy.attempts or clock.now() + wait > until:
            return result
        tally.add(retries=1, waited_s=wait)
        clock.sleep(wait)
    raise ValueError(f"attempts={policy.attempts}: at least 1")
