"""How far our estimates of each model's input are off, learned from what its upstream reports."""

from dataclasses import dataclass
from typing import Final

_MODELS: Final = 512
_PRIOR: Final = 1000.0
"""Tokens of belief that an estimate is right, so that the first short request does not decide everything."""
_KEPT: Final = 0.9
"""What is left of the old when something new is learned: the last ten requests or so count."""
_LEAST: Final = 0.5
_MOST: Final = 3.0
_EAGER: Final = 8
_EVERY: Final = 32


@dataclass(slots=True)
class _Balance:
    estimated: float = _PRIOR
    reported: float = _PRIOR
    asked: int = 0


class Calibrations:
    """One balance for each model of the 512 that were asked last: tokens reported over tokens estimated.

    Long requests weigh more than short ones, since both sides are sums. Lost when the process ends.
    """

    __slots__ = ("_balances",)

    def __init__(self) -> None:
        self._balances: dict[tuple[str, str], _Balance] = {}

    def factor(self, provider: str, model: str) -> float:
        """Return what to multiply an estimate with; 1 for a model that nothing is known of."""
        balance = self._balances.get((provider, model))
        if balance is None:
            return 1.0
        return min(max(balance.reported / balance.estimated, _LEAST), _MOST)

    def wants(self, provider: str, model: str) -> bool:
        """Tell whether this request is one to learn from: the first eight of a model, then one in 32."""
        balance = self._balance(provider, model)
        balance.asked += 1
        return balance.asked <= _EAGER or balance.asked % _EVERY == 0

    def learn(self, provider: str, model: str, estimated: int, reported: int) -> None:
        """Note what a request was thought to have and had, in tokens."""
        balance = self._balance(provider, model)
        balance.estimated = balance.estimated * _KEPT + estimated
        balance.reported = balance.reported * _KEPT + reported

    def _balance(self, provider: str, model: str) -> _Balance:
        key = (provider, model)
        balance = self._balances.get(key)
        if balance is None:
            if len(self._balances) >= _MODELS:
                del self._balances[next(iter(self._balances))]
            balance = self._balances[key] = _Balance()
        return balance
