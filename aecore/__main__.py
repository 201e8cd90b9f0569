"""Start the command line: `python -m aecore`, and the command `aecore`."""

import sys

from aecore.cli.parser import main

if __name__ == "__main__":
    sys.exit(main())
