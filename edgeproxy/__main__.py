"""`python -m edgeproxy` is the same as the command `edgeproxy`."""

import sys

from edgeproxy.cli import main

if __name__ == "__main__":
    sys.exit(main())
