"""Equal views are found once."""

import torch

from lgi_former.image_processing.distinct_views import distinct_views


def test_rows_point_to_the_distinct_views():
    clips = torch.rand(3, 2, 3, 4, 4)
    views = clips[torch.tensor([2, 0, 2, 1, 0])]
    distinct, rows = distinct_views(views)
    assert len(distinct) == 3
    torch.testing.assert_close(distinct[rows], views, rtol=0, atol=0)


def test_one_view_is_distinct():
    distinct, rows = distinct_views(torch.zeros(1, 2, 3, 4, 4))
    assert distinct.shape == (1, 2, 3, 4, 4) and rows.tolist() == [0]
