"""The command line `aecore`: the group of all commands, and the entry point with its exit codes.

Here and in the commands' files, only the standard library and click are imported at the top: help, wrong usage,
completion in the shell and `aecore app` must not wait for torch.
"""

import io
import os
import sys
from collections.abc import Sequence

import click
from click.shell_completion import shell_complete

import aecore
from aecore.cli.draw import likelihood, reconstruct, walk
from aecore.cli.embed import embed
from aecore.cli.list import datasets, directions, fetch, list_runs, recipes, show
from aecore.cli.manage import delete, export, import_run, rename, restore, share, show_queue, stop
from aecore.cli.options import HOME
from aecore.cli.output import plain
from aecore.cli.serve import app
from aecore.cli.train import train
from aecore.foundation.errors import AecoreError

ABOUT = """Train autoencoders and explore their latent space: in the browser (aecore app) or from here.

\b
First steps:
  aecore app                                 open the program in a browser
  aecore train denoising                     train one on real digits, under a minute
  aecore walk denoising -o walk.gif          watch what its code means
"""
CODES = """\b
Exit codes: 0 done; 1 failed, one line on stderr says why; 2 wrong usage.
RUN is a run's id, its name, or as much of the id's beginning as no other run shares; see aecore list."""
COMPLETE = "_AECORE_COMPLETE"
"""The environment variable through which a shell asks for completions."""


class _InOrder(click.Group):
    """Lists its commands in the order in which a newcomer needs them, not by the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    "aecore",
    cls=_InOrder,
    commands=[
        *(app, train),
        *(list_runs, show, directions, recipes, datasets, fetch),
        *(reconstruct, walk, embed, likelihood),
        *(show_queue, stop, share),
        *(delete, restore, rename, export, import_run),
    ],
    params=[HOME],
    help=ABOUT,
    epilog=CODES,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
@click.version_option(aecore.__version__, message="aecore %(version)s")
def cli() -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, or answer a shell's request for completions, and return the exit code: 0 done, 1 failed, 2 wrong
    usage.
    """
    if instruction := os.environ.get(COMPLETE):
        return shell_complete(cli, {}, "aecore", COMPLETE, instruction)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without × or λ must not end a command
    try:
        with cli.make_context("aecore", [*(sys.argv[1:] if arguments is None else arguments)]) as context:
            cli.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as ended:  # after --help and --version
        return ended.exit_code
    except click.UsageError as error:
        return _wrong_usage(error)
    except BrokenPipeError:
        # The reader, `head` perhaps, has closed the pipe. Python flushes once more at the end, which must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except KeyboardInterrupt:
        return _failed("interrupted; nothing was kept")
    except OSError as error:
        return _failed(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except AecoreError as error:
        return _failed(str(error))
    return 0


def _wrong_usage(error: click.UsageError) -> int:
    if error.ctx is not None:
        print(error.ctx.get_usage(), file=sys.stderr)
    name = "aecore" if error.ctx is None else error.ctx.command_path
    print(f"aecore: {_one_line(error.format_message()).removesuffix('.')} (see {name} --help)", file=sys.stderr)
    return 2


def _failed(why: str) -> int:
    print(f"aecore: {_one_line(why)}", file=sys.stderr)
    return 1


def _one_line(text: str) -> str:
    return plain(" ".join(text.split()))
