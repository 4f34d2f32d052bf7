"""`python -m localcluster`."""

import sys

from .cli import app
from .console import say
from .errors import LocalClusterError

if __name__ == "__main__":
    try:
        app(prog_name="localcluster")
    except LocalClusterError as error:
        say(f"localcluster: {error}")
        sys.exit(1)
