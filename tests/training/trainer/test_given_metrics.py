"""The `compute_metrics` of a user: what it returns."""

import pytest

from lgi_former.training.trainer.given_metrics import checked_metrics


@pytest.mark.parametrize("result", [None, 0.5, [("uar", 0.5)]])
def test_figures_without_names_are_refused(tiny_run, tmp_path, result):
    fields = {"compute_metrics": lambda prediction: result}
    trainer = tiny_run.LGIFormerTrainer(
        tiny_run.LGIFormerForVideoClassification(tiny_run.tiny_config()),
        tiny_run.training_arguments(tmp_path),
        data_collator=tiny_run.ViewCollator(),
        eval_dataset=tiny_run.Views(2),
        **fields,
    )
    with pytest.raises(ValueError, match=r"compute_metrics returned .*\. It must return a dictionary"):
        trainer.evaluate()


def test_only_the_last_of_several_calls_has_figures():
    def compute_metrics(prediction, compute_result):
        return {"uar": 0.5} if compute_result else None

    checked = checked_metrics(compute_metrics)
    assert checked(1, compute_result=False) is None and checked(1, compute_result=True) == {"uar": 0.5}
    assert checked_metrics(None) is None
