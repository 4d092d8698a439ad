"""What is learned of our estimates."""

import pytest

from dragoman.engine.ports import Calibration
from dragoman.stores.calibration import Calibrations


def test_a_model_that_nothing_is_known_of_is_taken_at_its_estimate() -> None:
    calibrations: Calibration = Calibrations()
    assert calibrations.factor("p", "m") == 1.0


def test_a_steady_ratio_is_learned_and_belongs_to_one_model() -> None:
    calibrations = Calibrations()
    for _ in range(30):
        calibrations.learn("p", "m", 2000, 2800)
    assert calibrations.factor("p", "m") == pytest.approx(1.4, abs=0.01)
    assert calibrations.factor("q", "m") == calibrations.factor("p", "n") == 1.0


def test_one_short_request_says_little_and_a_long_one_much() -> None:
    short, long = Calibrations(), Calibrations()
    short.learn("p", "m", 10, 30)
    long.learn("p", "m", 10_000, 30_000)
    assert short.factor("p", "m") < 1.05
    assert long.factor("p", "m") > 2.5


def test_what_has_changed_is_believed_after_a_while() -> None:
    calibrations = Calibrations()
    for _ in range(100):
        calibrations.learn("p", "m", 1000, 2000)
    for _ in range(30):
        calibrations.learn("p", "m", 1000, 1000)
    assert calibrations.factor("p", "m") == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(("reported", "factor"), [(1, 0.5), (10**9, 3.0)])
def test_nonsense_is_not_believed_without_bounds(reported: int, factor: float) -> None:
    calibrations = Calibrations()
    for _ in range(100):
        calibrations.learn("p", "m", 10_000, reported)
    assert calibrations.factor("p", "m") == factor


def test_after_the_first_requests_only_some_are_learned_from() -> None:
    calibrations = Calibrations()
    wanted = [number for number in range(1, 129) if calibrations.wants("p", "m")]
    assert wanted == [1, 2, 3, 4, 5, 6, 7, 8, 32, 64, 96, 128]


def test_the_number_of_models_is_bounded_and_the_oldest_goes() -> None:
    calibrations = Calibrations()
    for number in range(600):
        calibrations.learn("p", f"m{number}", 10_000, 20_000)
    assert calibrations.factor("p", "m0") == 1.0
    assert calibrations.factor("p", "m599") > 1.5
    assert len(calibrations._balances) == 512
