"""Uploads the files of a run's model to the Hub.

`Trainer` uploads everything in the output folder except `checkpoint-*` and `_*`: its arguments with paths
(`training_args.bin`, a pickle), logs, and lists of videos. Here only `model_files` are uploaded.
"""

import shutil
from concurrent.futures import Future
from pathlib import Path

from huggingface_hub import CommitInfo, HfApi
from huggingface_hub.constants import REPOCARD_NAME
from transformers import Trainer, TrainingArguments
from transformers.trainer_utils import HubStrategy, SaveStrategy
from transformers.utils.hub import PushInProgress

from ...files import whole_file
from ...hub import check_uploadable, model_files


def check_hub_strategy(args: TrainingArguments):
    """Check that `args` do not upload checkpoints.

    Raises:
        ValueError: If they do. The optimiser's state is of no use to others.
    """
    if args.hub_strategy in (HubStrategy.CHECKPOINT, HubStrategy.ALL_CHECKPOINTS):
        raise ValueError(
            f"hub_strategy={args.hub_strategy.value!r} would upload the optimiser's state. Use 'every_save' or 'end'. "
            "Checkpoints to resume from stay in output_dir."
        )


def push_model(
    trainer: Trainer,
    commit_message: str | None = "End of training",
    blocking: bool = True,
    token: str | None = None,
    revision: str | None = None,
    private: bool | None = None,
    **kwargs,
) -> CommitInfo | Future | None:
    """Save the model and its card in `args.output_dir`, and upload the model's files.

    Args:
        trainer: The trainer of the model.
        commit_message, blocking, token, revision, private: As for `Trainer.push_to_hub`.
        kwargs: Options of `create_model_card`.

    Returns:
        The commit, or its future if not `blocking`. None in all processes except the first.
    """
    trainer.callback_handler.on_push_begin(trainer.args, trainer.state, trainer.control)
    if private is not None:
        trainer.args.hub_private_repo = private
    if trainer.hub_model_id is None:
        trainer.init_hf_repo(token=token)
    trainer._finish_current_push()  # it reads the files that are written now
    trainer.save_model(_internal_call=True)
    if not trainer.is_world_process_zero():
        return None
    trainer.create_model_card(**{"model_name": trainer.hub_model_id.split("/")[-1], **kwargs})
    return _upload(trainer, commit_message, blocking, token, revision)


def push_checkpoint(trainer: Trainer, checkpoint: str):
    """Start to upload the model of a checkpoint.

    The files are copied first, because the checkpoint may be deleted during the upload. The card in the output folder
    stays, because it may have been edited.
    """
    args = trainer.args
    if not trainer.is_world_process_zero() or args.hub_strategy == HubStrategy.END:
        return
    is_busy = trainer.push_in_progress is not None and not trainer.push_in_progress.is_done()
    if is_busy and not args.hub_always_push:
        return
    trainer.callback_handler.on_push_begin(args, trainer.state, trainer.control)
    for file in model_files(checkpoint):
        if file.name != REPOCARD_NAME:
            with whole_file(Path(args.output_dir, file.name)) as copy:
                shutil.copy(file, copy)
    by_steps = args.save_strategy == SaveStrategy.STEPS
    progress = f"step {trainer.state.global_step}" if by_steps else f"epoch {int(trainer.state.epoch)}"
    job = _upload(trainer, f"Training in progress, {progress}", blocking=False)
    if is_busy:
        trainer.push_in_progress.jobs.append(job)
    else:
        trainer.push_in_progress = PushInProgress([job])


def _upload(trainer, commit_message, blocking, token=None, revision=None):
    folder = Path(trainer.args.output_dir)
    check_uploadable(folder)
    return HfApi().upload_folder(
        repo_id=trainer.hub_model_id,
        folder_path=folder,
        commit_message=commit_message,
        token=token or trainer.args.hub_token,
        revision=revision or trainer.args.hub_revision,
        run_as_future=not blocking,
        allow_patterns=[file.name for file in model_files(folder)],
    )
