"""`lgi-former download`."""

from ..configuration import DATASET_TERMS
from ..messages import console, silence_libraries, suggest, words_to_finetune


SUMMARY = "a model that the authors of MAE-DFER released"
EXAMPLE = "lgi-former download mae-dfer-dfew-fold5"


def add_arguments(parser):
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="name of a released model; without a name, the command lists them"
    )


def run(args) -> int:
    """List the models that the authors of MAE-DFER released, or download one and convert it. The model is stored in
    the cache below HF_HOME. `--model NAME` loads it in every command. The environment variables
    LGI_FORMER_MAX_DOWNLOAD_BYTES (default: 4e9) and LGI_FORMER_MAX_DOWNLOAD_SECONDS (default: 1800) limit it."""
    if only_lists(args):
        print_released_models()
        return 0
    from ..conversion import download

    silence_libraries()
    print(download(args.name))
    suggest(*next_command(args.name))
    return 0


def only_lists(args) -> bool:
    """Whether the arguments ask for the list of models only, which needs neither PyTorch nor Transformers."""
    return args.run is run and args.name is None


def next_command(name: str) -> list[str]:
    """The words of a command that uses a released model."""
    from ..conversion import released_models

    model = released_models()[name]
    if model.kind == "fine-tuned":
        return ["lgi-former", "predict", "VIDEO", "--model", name]
    return words_to_finetune(name)


def print_released_models():
    """Print a table of the released models to the standard output."""
    from rich import box
    from rich.table import Table

    from ..conversion import released_models

    table = Table("name", "trained on", box=box.SIMPLE)
    for title in ("UAR %", "WAR %"):
        table.add_column(title, justify="right")
    table.add_column("here")
    for model in released_models().values():
        corpus = DATASET_TERMS[model.corpus].title
        figures = ["-" if figure is None else f"{figure:.2f}" for figure in (model.uar, model.war)]
        table.add_row(model.name, f"{model.kind}, {corpus}", *figures, "yes" if model.folder.is_dir() else "no")
    console().print(table)
    print(
        "UAR and WAR are the authors' figures on the test data of the fold. The weights are under the MIT License of "
        "https://github.com/sunlicai/MAE-DFER.\nThe owners of the data sets have terms, which the model card states. "
        "The sizes of the files are not published: expect about 0.3 to 1.1 GB each."
    )
