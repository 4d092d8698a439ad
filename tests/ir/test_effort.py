from hypothesis import given
from hypothesis import strategies as st

from dragoman.ir.effort import budget_for, effort_for, nearest
from dragoman.ir.request import Effort


@given(effort=st.sampled_from([effort for effort in Effort if effort is not Effort.MAX]))
def test_a_word_survives_the_way_through_a_budget(effort: Effort) -> None:
    assert effort_for(budget_for(effort)) is effort


def test_an_unknown_word_becomes_the_nearest_below_then_above() -> None:
    assert nearest(Effort.MAX, ("low", "high")) is Effort.HIGH
    assert nearest(Effort.MINIMAL, ("low", "high")) is Effort.LOW
    assert nearest(Effort.MEDIUM, ("medium",)) is Effort.MEDIUM


def test_nobody_who_asked_for_thought_gets_it_switched_off() -> None:
    assert nearest(Effort.LOW, ("none",)) is None
    assert nearest(Effort.NONE, ("minimal", "low")) is None
