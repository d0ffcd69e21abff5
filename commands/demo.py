"""`lgi-former demo`."""

from ..messages import ADVICE_FOR_ONE_CLIP, silence_libraries
from .options import MODEL_NAMES, add_device, add_revision, port, positive_number


SUMMARY = "a page in the browser to try a model"
EXAMPLE = "lgi-former demo --model outputs/finetuned"
MEMORY_ADVICE = ADVICE_FOR_ONE_CLIP


def add_arguments(parser):
    parser.add_argument(
        "--model",
        required=True,
        metavar="DIR_OR_REPO",
        help=f"a fine-tuned or exported classifier, or a pre-trained LGI-Former: {MODEL_NAMES}",
    )
    add_revision(parser)
    parser.add_argument(
        "--max_megabytes",
        type=positive_number,
        default=100.0,
        metavar="MB",
        help="largest size of a video (default: 100)",
    )
    parser.add_argument(
        "--max_seconds",
        type=positive_number,
        default=60.0,
        metavar="S",
        help="longest duration of a video (default: 60)",
    )
    parser.add_argument(
        "--max_megapixels",
        type=positive_number,
        default=9.0,
        metavar="N",
        help="largest picture of a video, in millions of pixels (default: 9)",
    )
    parser.add_argument(
        "--max_total_megabytes",
        type=positive_number,
        metavar="MB",
        help="space of all videos that wait for an answer (default: 20 times --max_megabytes)",
    )
    add_device(parser)
    serving = parser.add_argument_group("serving")
    serving.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on; 0.0.0.0 for all (default: %(default)s)",
    )
    serving.add_argument(
        "--port", type=port, metavar="P", help="port to listen on (default: the first free one from 7860)"
    )
    serving.add_argument("--share", action="store_true", help="create a public address through Gradio's servers")
    space = parser.add_argument_group("Space of the Hugging Face Hub")
    space.add_argument(
        "--export_space", metavar="DIR", help="write a Space into a new or empty folder instead of serving"
    )


def run(args) -> int:
    """Serve a page on which you can upload or record a video. A fine-tuned model answers with the annotated video, the
    scores over time and a table. A pre-trained model masks a clip and reconstructs it. An upload is deleted after the
    answer. Programs call the page with gradio_client (docs/demo.md). With --export_space, write the page as a folder
    that can be uploaded as a Space."""
    from ..conversion import model_folder
    from ..inference.demo import UploadLimits, export_space, launch_demo

    silence_libraries()
    limits = UploadLimits(args.max_megabytes, args.max_seconds, args.max_megapixels, args.max_total_megabytes)
    model = model_folder(args.model, args.revision)
    if not args.export_space:
        launch_demo(model, limits, args.device, args.host, args.port, args.share)
        return 0
    names = export_space(model, args.export_space, limits)
    print(f"{args.export_space}: {', '.join(names)}")
    print(f"To publish it: hf upload --repo-type space USER/NAME {args.export_space} .")
    return 0
