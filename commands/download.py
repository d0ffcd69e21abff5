"""`lgi-former download`."""

import sys

from ..messages import fail, silence_libraries


SUMMARY = "a model that the authors of MAE-DFER released"


def add_arguments(parser):
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="name of a released model; without a name, the command lists them"
    )


def run(args) -> int:
    """List the models that the authors of MAE-DFER released, or download one and convert it. The model is stored in
    the cache below HF_HOME. `--model NAME` loads it in every command."""
    silence_libraries()
    if args.name is None:
        print_released_models()
        return 0
    from ..conversion import download

    try:
        folder = download(args.name)
    except (OSError, ValueError) as error:
        return fail(str(error))
    print(folder)
    print(f"Use it: {next_command(args.name)}", file=sys.stderr)
    return 0


def next_command(name: str) -> str:
    """A command that uses a released model."""
    from ..conversion import released_models

    model = released_models()[name]
    if model.kind == "fine-tuned":
        return f"lgi-former predict VIDEO --model {name}"
    return f"lgi-former finetune dfew --model_name_or_path {name} --train_annotations TRAIN.csv"


def print_released_models():
    """Print a table of the released models to the standard output."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from ..configuration import DATASET_TERMS
    from ..conversion import is_downloaded, released_models

    table = Table("name", "trained on", box=box.SIMPLE)
    for title in ("UAR %", "WAR %"):
        table.add_column(title, justify="right")
    table.add_column("here")
    for model in released_models().values():
        corpus = DATASET_TERMS[model.corpus].title
        figures = ["-" if figure is None else f"{figure:.2f}" for figure in (model.uar, model.war)]
        table.add_row(model.name, f"{model.kind}, {corpus}", *figures, "yes" if is_downloaded(model.name) else "no")
    Console(highlight=False).print(table)
    print(
        "UAR and WAR are the authors' figures on the test data of the fold. The weights are under the MIT License of "
        "https://github.com/sunlicai/MAE-DFER.\nThe owners of the data sets have terms, which the model card states. "
        "The sizes of the files are not published: expect about 0.3 to 1.1 GB each."
    )
