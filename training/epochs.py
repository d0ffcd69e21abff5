"""The data learn which epoch it is."""

from transformers import TrainerCallback


class TellEpoch(TrainerCallback):
    """Calls `set_epoch` of the training data and of their sampler when an epoch begins.

    Accelerate (1.15) reaches one of them only where batches are split among processes, or skipped to resume in the
    middle of an epoch: every epoch would augment alike, or a resumed run shuffle otherwise.
    """

    def on_epoch_begin(self, args, state, control, train_dataloader, **kwargs):
        batches = train_dataloader.batch_sampler
        while hasattr(batches, "batch_sampler"):
            batches = batches.batch_sampler
        for part in (train_dataloader.dataset, getattr(batches, "sampler", None)):
            if hasattr(part, "set_epoch"):
                part.set_epoch(int(state.epoch))
