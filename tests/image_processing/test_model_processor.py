"""The video processor for a model."""

import pytest

from lgi_former import LGIFormerConfig
from lgi_former.image_processing import processor_for


@pytest.mark.parametrize("num_channels", [1, 4])
def test_models_that_do_not_take_rgb_are_refused(num_channels):
    with pytest.raises(ValueError, match=f"num_channels={num_channels}, but clips .* have 3"):
        processor_for(LGIFormerConfig(num_channels=num_channels))
