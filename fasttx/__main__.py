"""The command line: ``python -m fasttx info | tour | bench``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from fasttx._version import __version__

COMMANDS = {
    "info": (
        "_info",
        "print versions, processor, threads, cache and CUDA: what a bug report needs",
    ),
    "tour": ("_tour", "see what the library does, on real input, in under a minute"),
    "bench": ("_bench", "measure every kind of transform beside its yardstick"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return the exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after the program's name; `sys.argv` by default.

    Returns
    -------
    int
        0 when the command succeeded.
    """
    parser = argparse.ArgumentParser(prog="python -m fasttx", description="fasttx " + __version__)
    parser.add_argument("--version", action="version", version=f"fasttx {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="{info,tour,bench}")
    for name, (_, text) in COMMANDS.items():
        # Each command parses its own options, and is imported only when it runs.
        commands.add_parser(name, help=text, add_help=False)
    args, rest = parser.parse_known_args(argv)
    command = import_module(f"fasttx.{COMMANDS[args.command][0]}").main
    return int(command(rest))


if __name__ == "__main__":
    sys.exit(main())
