"""`lgi-former reconstruct`."""

from pathlib import Path

from ..messages import ADVICE_FOR_ONE_CLIP, announce_if_slow, silence_libraries
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


SUMMARY = "a figure of how a pre-trained model reconstructs a masked video"
EXAMPLE = "lgi-former reconstruct video.mp4 --model outputs/pretrained --output reconstruction.png"
MEMORY_ADVICE = ADVICE_FOR_ONE_CLIP


def add_arguments(parser):
    parser.add_argument("video", metavar="VIDEO", help="video file, folder of frames, image or URL")
    parser.add_argument(
        "--model",
        required=True,
        metavar="DIR_OR_REPO",
        help=f"a pre-trained model, not fine-tuned: {MODEL_NAMES}",
    )
    add_revision(parser)
    add_output(parser, "the figure: .png, .pdf or .svg")
    parser.add_argument(
        "--mask_ratio", type=float, metavar="R", help="share of masked tokens (default: as in training)"
    )
    parser.add_argument("--seed", type=whole_number, default=0, help="random seed of the mask (default: %(default)s)")
    add_reading(parser)
    add_device(parser)


def run(args) -> int:
    """Mask a clip of a video and let a pre-trained model reconstruct it. Draw original, visible and reconstructed
    frames. For models that predict motion, also draw the differences between frames."""
    with announce_if_slow("Loading matplotlib ..."):
        from ..conversion import model_folder
        from ..figures import draw_reconstruction, reconstruct
        from ..figures.style import save_figure
        from ..files import only_writer_of
        from ..hub.loading import load_autoencoder, set_reading

    silence_libraries()
    check_output(args, FIGURE_SUFFIXES)
    with only_writer_of(Path(args.output)):
        with announce_if_slow("Loading the model ..."):
            model, processor = load_autoencoder(model_folder(args.model, args.revision), args.device)
        set_reading(processor, args.backend, args.frame_order)
        clip = processor(args.video, return_tensors="pt", num_segments=1)["pixel_values"]
        reconstruction = reconstruct(model, clip, args.mask_ratio, args.seed)
        save_figure(draw_reconstruction(reconstruction), args.output)
    print(f"{args.output}: loss {reconstruction.loss:.4f}")
    return 0
