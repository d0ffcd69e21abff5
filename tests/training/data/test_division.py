"""A list is divided by class and by person, the same way each time."""

from collections import Counter

import numpy as np
import pytest

from lgi_former.training.data.division import fold_of_each, held_out


PATHS = [f"{index}.mp4" for index in range(60)]
STRATA = np.array(40 * [0] + 16 * [1] + 4 * [2])
PERSONS = [f"person {index % 7}" for index in range(60)]


@pytest.mark.parametrize(("share", "counts"), [(0.25, [10, 4, 1]), (0.5, [20, 8, 2]), (0.01, [1, 1, 1])])
def test_each_class_gives_its_share(share, counts):
    held = held_out(share, PATHS, STRATA, None, seed=0)
    assert np.bincount(STRATA[held]).tolist() == counts
    assert (held == held_out(share, PATHS, STRATA, None, seed=0)).all()
    assert (held != held_out(share, PATHS, STRATA, None, seed=1)).any()


def test_the_only_video_of_a_class_is_trained_on():
    strata = np.array([0, 0, 1, 2, 2])
    held = held_out(0.9, list("abcde"), strata, None, seed=0)
    assert np.bincount(strata[held], minlength=3).tolist() == [1, 0, 1]
    with pytest.raises(ValueError, match="No class has two videos"):
        held_out(0.5, ["a", "b"], np.array([0, 1]), None, seed=0)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5, 0.8])
def test_no_person_is_in_both_parts(share):
    held = held_out(share, PATHS, STRATA, PERSONS, seed=0)
    persons = np.array(PERSONS)
    assert held.any() and not set(persons[held]) & set(persons[~held])
    assert abs(held.mean() - share) < 1.5 / 7


def test_persons_are_chosen_so_that_the_classes_keep_their_shares():
    """Two of four persons show only one class each. The others show both."""
    persons = 10 * ["a"] + 10 * ["b"] + 10 * ["c"] + 10 * ["d"]
    strata = np.array(10 * [0] + 10 * [1] + 2 * (5 * [0] + 5 * [1]))
    for seed in range(5):
        held = held_out(0.25, [str(row) for row in range(40)], strata, persons, seed)
        assert {persons[row] for row in np.flatnonzero(held)} in ({"c"}, {"d"})
    with pytest.raises(ValueError, match="All videos are of one group"):
        held_out(0.25, PATHS, STRATA, 60 * ["a"], seed=0)


@pytest.mark.parametrize("spelling", ["{}", "./{}", ".//./{}"])
def test_a_repeated_video_is_in_one_part(spelling):
    paths = PATHS[:30] + [spelling.format(path) for path in PATHS[:30]]
    strata = np.zeros(60, dtype=int)
    held = held_out(0.3, paths, strata, None, seed=0)
    assert (held[:30] == held[30:]).all() and held.sum() == 18
    folds = fold_of_each(3, paths, strata, None, seed=0)
    assert (folds[:30] == folds[30:]).all()


@pytest.mark.parametrize("persons", [None, PERSONS])
def test_folds_are_stratified_and_separate_people(persons):
    folds = fold_of_each(4, PATHS, STRATA, persons, seed=0)
    assert set(folds) == {1, 2, 3, 4}
    assert (folds == fold_of_each(4, PATHS, STRATA, persons, seed=0)).all()
    assert (folds != fold_of_each(4, PATHS, STRATA, persons, seed=1)).any()
    if persons is None:
        assert Counter(zip(folds.tolist(), STRATA.tolist(), strict=True)).values() and all(
            np.bincount(STRATA[folds == fold]).tolist() == [10, 4, 1] for fold in range(1, 5)
        )
    else:
        assert all(len(set(folds[np.array(persons) == person])) == 1 for person in set(persons))


@pytest.mark.parametrize(
    ("number", "persons", "message"),
    [
        (8, PERSONS, "--folds 8 needs as many groups, but there are 7"),
        (61, None, "--folds 61 needs as many videos, but there are 60"),
        (41, None, "--folds 41 is more than the largest class has videos"),
    ],
)
def test_too_many_folds_are_refused(number, persons, message):
    with pytest.raises(ValueError, match=message):
        fold_of_each(number, PATHS, STRATA, persons, seed=0)
