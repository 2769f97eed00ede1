import pytest

from wsss.segmentation.convergence import convergence


def history(*losses: float) -> list[dict[str, float]]:
    return [{"iteration": number, "loss": loss} for number, loss in enumerate(losses, 1)]


def test_a_curve_that_has_flattened_is_at_rest():
    end = convergence(history(2, 1.5, 1.2, 1.05, 1.0, 0.9, 0.51, 0.51, 0.5, 0.5))
    assert (end.first, end.before, end.last) == (2, pytest.approx(0.51), pytest.approx(0.5))
    assert end.converged
    assert str(end) == "loss 2.000 at the start, 0.510 in the fourth fifth, 0.500 in the last (−0.010): at rest"


@pytest.mark.parametrize("losses", [(5, 4, 3, 2, 1), (5, 1, 1, 1, 2), (1, 1, 1, 1, 1), (1, 2, 3, 3, 3), (2, 1)])
def test_a_curve_that_falls_rises_or_never_fell_is_not(losses: tuple[float, ...]):
    assert not convergence(history(*losses)).converged


def test_the_rule_is_relative_to_the_whole_fall():
    assert convergence(history(100, 50, 20, 10, 9)).converged
    assert not convergence(history(12, 12, 11, 10, 9)).converged


def test_too_short_a_history_is_an_error():
    with pytest.raises(ValueError, match="two points"):
        convergence(history(1.0))


def test_a_network_that_was_not_trained_is_said_to_be_so():
    end = convergence([])
    assert str(end) == "not trained"
    assert end.converged  # it is in no list of networks that need more time
