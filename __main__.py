"""`python -m lgi_former` is the command `lgi-former`."""

import sys

from .commands.cli import main


if __name__ == "__main__":
    sys.exit(main())
