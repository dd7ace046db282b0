"""What depth is judged by, in words."""

from __future__ import annotations

from kbnet.evaluation.point_errors import Judging


def test_judging_says_in_words_what_it_judges_by() -> None:
    assert str(Judging((0.2, 5.0))) == "ground truth between 0.2 and 5 m"
    assert str(Judging(None)) == "20% of the points, held out one by one"
    assert str(Judging(None, share=0.5, by="patches")) == "50% of the points, held out by patches"
