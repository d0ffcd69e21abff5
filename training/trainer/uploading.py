"""What a Trainer uploads to the Hub: the model's files, and nothing else of its output folder."""

import shutil
from concurrent.futures import Future
from pathlib import Path

from huggingface_hub import CommitInfo, HfApi
from huggingface_hub.constants import REPOCARD_NAME
from transformers.trainer_utils import HubStrategy, SaveStrategy
from transformers.utils.hub import PushInProgress

from ...hub import check_uploadable, model_files


class UploadsModelFiles:
    """Mixin for a `Trainer`, which uploads `model_files` where that one uploads all but `checkpoint-*` and `_*`: its
    arguments with the paths in them (`training_args.bin`, a pickle), logs, and what a run has written of its videos.
    """

    def init_hf_repo(self, *args, **kwargs):
        """As `Trainer.init_hf_repo`.

        Raises:
            ValueError: If `args.hub_strategy` asks for checkpoints, whose optimiser states are nobody else's.
        """
        if self.args.hub_strategy in (HubStrategy.CHECKPOINT, HubStrategy.ALL_CHECKPOINTS):
            raise ValueError(
                f"hub_strategy={self.args.hub_strategy.value!r} would upload the optimiser's state. Use 'every_save' "
                "or 'end', and keep checkpoints in output_dir to resume from."
            )
        super().init_hf_repo(*args, **kwargs)

    def push_to_hub(
        self,
        commit_message: str | None = "End of training",
        blocking: bool = True,
        token: str | None = None,
        revision: str | None = None,
        private: bool | None = None,
        **kwargs,
    ) -> CommitInfo | Future | None:
        """Save the model and its card in `args.output_dir`, and upload the model's files.

        Args:
            commit_message, blocking, token, revision, private: as `Trainer.push_to_hub` takes them.
            kwargs: of `create_model_card`.

        Returns:
            The commit, or its future if not `blocking`; None in all processes but the first.
        """
        self.callback_handler.on_push_begin(self.args, self.state, self.control)
        if private is not None:
            self.args.hub_private_repo = private
        if self.hub_model_id is None:
            self.init_hf_repo(token=token)
        self._finish_current_push()  # it reads the files that are now to be written
        self.save_model(_internal_call=True)
        if not self.is_world_process_zero():
            return None
        self.create_model_card(**{"model_name": self.hub_model_id.split("/")[-1], **kwargs})
        return self._upload(commit_message, blocking, token, revision)

    def _push_from_checkpoint(self, checkpoint_folder: str):
        """Called after a checkpoint was saved. Its files are copied first: it may be removed during the upload."""
        if not self.is_world_process_zero() or self.args.hub_strategy == HubStrategy.END:
            return
        is_busy = self.push_in_progress is not None and not self.push_in_progress.is_done()
        if is_busy and not self.args.hub_always_push:
            return
        self.callback_handler.on_push_begin(self.args, self.state, self.control)
        for file in model_files(checkpoint_folder):
            if file.name != REPOCARD_NAME:  # the card of the run may have been edited
                shutil.copy(file, self.args.output_dir)
        by_steps = self.args.save_strategy == SaveStrategy.STEPS
        progress = f"step {self.state.global_step}" if by_steps else f"epoch {int(self.state.epoch)}"
        job = self._upload(f"Training in progress, {progress}", blocking=False)
        if is_busy:
            self.push_in_progress.jobs.append(job)
        else:
            self.push_in_progress = PushInProgress([job])

    def _upload(self, commit_message, blocking, token=None, revision=None):
        folder = Path(self.args.output_dir)
        check_uploadable(folder)
        return HfApi().upload_folder(
            repo_id=self.hub_model_id,
            folder_path=folder,
            commit_message=commit_message,
            token=token or self.args.hub_token,
            revision=revision or self.args.hub_revision,
            run_as_future=not blocking,
            allow_patterns=[file.name for file in model_files(folder)],
        )
