"""`lgi-former completion`."""

SUMMARY = "a script that lets a shell complete commands and options"
EXAMPLE = "lgi-former completion bash > ~/.local/share/bash-completion/completions/lgi-former"


def add_arguments(parser):
    parser.add_argument("shell", choices=("bash", "zsh"), help="the shell")


def run(args) -> int:
    """Print a script that lets a shell complete commands and options with the tab key. For zsh, write it to a file
    with the name _lgi-former in a folder of $fpath."""
    import shtab

    args.main_parser.add_all_arguments()
    print(shtab.complete(args.main_parser, args.shell))
    return 0
