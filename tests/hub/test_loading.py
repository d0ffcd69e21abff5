import pytest

from lgi_former.hub.loading import naming


def test_a_folder_that_is_not_there_is_told_before_the_hub(tmp_path):
    told = r"^There is no folder 'out/model' here, and the model of that name on the Hub cannot be loaded: no network"
    with pytest.raises(OSError, match=told), naming("out/model"):
        raise OSError("no network")
    with pytest.raises(OSError, match=f"^{tmp_path} cannot be loaded: no weights"), naming(str(tmp_path)):
        raise OSError("no weights")
