"""`lgi-former visualize`."""

import inspect
import os
from pathlib import Path

from ..messages import ADVICE_FOR_ONE_CLIP, announce_if_slow, complain, silence_libraries
from .options import (
    FIGURE_SUFFIXES,
    MODEL_NAMES,
    add_device,
    add_output,
    add_reading,
    add_revision,
    check_output,
    whole_number,
)


SUMMARY = "figures of embeddings, attention, confusion and losses"
EXAMPLE = "lgi-former visualize losses outputs/pretrained --output losses.png"
EXAMPLES = {
    "embeddings": "lgi-former visualize embeddings embeddings.npy --output map.png",
    "attention": "lgi-former visualize attention video.mp4 --model outputs/finetuned --output attention.png",
    "confusion": "lgi-former visualize confusion outputs/finetuned --output confusion.png",
    "losses": EXAMPLE,
}
MEMORY_ADVICE = ADVICE_FOR_ONE_CLIP
FIGURE_HELP = "the figure: .png, .pdf or .svg"
# As in `figures.embedding_map` and `figures.attention`, which take seconds to import.
METHODS = {"tsne": "t-SNE", "umap": "UMAP"}
HEADS = ("mean", "max")


def add_arguments(parser):
    kinds = parser.add_subparsers(metavar="KIND", required=True)
    for name, (summary, add_arguments_of, draw) in KINDS.items():
        kind = kinds.add_parser(
            name,
            help=summary,
            description=inspect.getdoc(draw),
            example=EXAMPLES[name],
            add_arguments=add_arguments_of,
        )
        kind.set_defaults(draw=draw, parser=kind)


def run(args) -> int:
    """Draw a figure and save it to a file."""
    from ..figures.style import save_figure
    from ..files import only_writer_of

    silence_libraries()
    check_output(args, FIGURE_SUFFIXES)
    with only_writer_of(Path(args.output)), announce_if_slow("Loading libraries and drawing ..."):
        save_figure(args.draw(args), args.output)
    print(args.output)
    return 0


def _add_embeddings_arguments(parser):
    parser.add_argument(
        "source", metavar="FILE_OR_DIR", help="a file that `lgi-former embed` wrote, or the folder of an evaluation"
    )
    parser.add_argument(
        "--model",
        metavar="DIR_OR_REPO",
        help=f"model that embeds the videos of an evaluation: {MODEL_NAMES}",
    )
    add_revision(parser)
    add_output(parser, FIGURE_HELP)
    parser.add_argument(
        "--method", choices=tuple(METHODS), default="tsne", help="umap needs umap-learn (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=whole_number, default=0, help="random seed of the method (default: %(default)s)"
    )
    parser.add_argument("--num_workers", type=whole_number, default=0, metavar="N", help="processes that read videos")
    add_reading(parser)
    add_device(parser)


def _draw_embeddings(args):
    """Draw a map of embeddings: one point for each video, coloured by class."""
    from ..figures import draw_embedding_map, map_embeddings

    is_evaluation = os.path.isdir(args.source)
    embeddings, labels, label_names = _embed_evaluation(args) if is_evaluation else _read_embeddings(args.source)
    points = map_embeddings(embeddings, args.method, args.seed)
    return draw_embedding_map(points, labels, label_names, title=f"{METHODS[args.method]} of {len(points)} embeddings")


def _embed_evaluation(args):
    """Embeddings, labels and label names of the videos of an evaluation. Videos that cannot be read are reported."""
    import numpy as np

    from ..conversion import model_folder
    from ..hub.loading import load_encoder, set_reading
    from ..inference import embed_videos
    from ..training.evaluation.report import PREDICTIONS_FILE, read_predictions

    if not os.path.isfile(os.path.join(args.source, PREDICTIONS_FILE)):
        raise ValueError(f"'{args.source}' holds no {PREDICTIONS_FILE}: it is not the folder of an evaluation.")
    if args.model is None:
        raise ValueError("An evaluation holds no embeddings: name with --model a model that embeds its videos.")
    predictions = read_predictions(args.source)
    videos, labels = predictions.videos, predictions.classes()[0]
    model, processor = load_encoder(model_folder(args.model, args.revision), args.device)
    set_reading(processor, args.backend, args.frame_order)
    failures = []
    embeddings = list(
        embed_videos(
            *(model, processor, videos),
            num_workers=args.num_workers,
            on_failure=lambda _, message: failures.append(message),
        )
    )
    if failures:
        message = f"{len(failures)} of {len(videos)} videos are left out; the first: {failures[0]}"
        if not embeddings:
            raise ValueError(message)
        complain(message)
    indices = [embedding.index for embedding in embeddings]
    return np.stack([embedding.mean for embedding in embeddings]), labels[indices], predictions.label_names


def _read_embeddings(file: str):
    """Embeddings, labels and label names of a file. The labels are None if the file has none."""
    import numpy as np

    from ..inference.embedding_file import read_embeddings

    table = read_embeddings(file)
    if "label" not in table.columns:
        return table.embeddings, None, []
    label_names, labels = np.unique(table.columns["label"], return_inverse=True)
    return table.embeddings, labels, [str(name) for name in label_names]


def _add_attention_arguments(parser):
    parser.add_argument("video", metavar="VIDEO", help="video file, folder of frames, image or URL")
    parser.add_argument(
        "--model",
        required=True,
        metavar="DIR_OR_REPO",
        help=f"any LGI-Former, pre-trained, fine-tuned or bare: {MODEL_NAMES}",
    )
    add_revision(parser)
    add_output(parser, FIGURE_HELP)
    parser.add_argument(
        "--layer",
        type=int,
        metavar="N",
        help="counted from 0, or from the end if negative (default: the last whose attentions all reach the output)",
    )
    parser.add_argument("--heads", choices=HEADS, default="mean", help="how heads are combined (default: %(default)s)")
    add_reading(parser)
    add_device(parser)


def _draw_attention(args):
    """Draw the attention of a layer. Rows of frames show how much representative tokens read of each local token in
    their region (S1), and which region local tokens read most (S3). Matrices show attention between regions."""
    from ..conversion import model_folder
    from ..figures import attend, draw_attention
    from ..hub.loading import load_encoder, set_reading

    model, processor = load_encoder(model_folder(args.model, args.revision), args.device)
    set_reading(processor, args.backend, args.frame_order)
    clip = processor(args.video, return_tensors="pt", num_segments=1)["pixel_values"]
    return draw_attention(attend(model, clip, args.layer, args.heads))


def _add_losses_arguments(parser):
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="output directory of a training run, or its trainer_state.json"
    )
    add_output(parser, FIGURE_HELP)


def _draw_losses(args):
    """Draw the training losses of one or several runs by step, and their evaluation losses if these were logged."""
    from ..figures import draw_losses, read_log_history

    return draw_losses({run: read_log_history(run) for run in args.runs})


def _add_confusion_arguments(parser):
    parser.add_argument(
        "source",
        metavar="FILE_OR_DIR",
        help="folder that `lgi-former evaluate` wrote, or the metrics.json or predictions.csv in it",
    )
    add_output(parser, FIGURE_HELP)


def _draw_confusion(args):
    """Draw the confusion matrix of an evaluation. Each cell has the number of videos and, as a percentage, their share
    of the true class. The diagonal has the recall of each class."""
    from ..figures import draw_confusion_matrix
    from .read_confusion import read_confusion

    matrix, label_names = read_confusion(args.source)
    recalls = [row[index] / row.sum() for index, row in enumerate(matrix) if row.any()]
    war, uar = matrix.trace() / matrix.sum(), sum(recalls) / len(recalls)
    return draw_confusion_matrix(matrix, label_names, f"{matrix.sum()} videos, UAR {uar:.1%}, WAR {war:.1%}")


KINDS = {
    "embeddings": ("a map of videos by t-SNE or UMAP", _add_embeddings_arguments, _draw_embeddings),
    "attention": ("what a layer attends to, laid over frames", _add_attention_arguments, _draw_attention),
    "confusion": ("the confusion matrix of an evaluation", _add_confusion_arguments, _draw_confusion),
    "losses": ("loss curves of training runs", _add_losses_arguments, _draw_losses),
}
