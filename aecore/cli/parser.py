"""The command line: `aecore COMMAND`. Exit codes: 0 done, 1 failed (one line on stderr says why), 2 wrong usage."""

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence

import aecore
from aecore.cli import draw, list, manage, output
from aecore.cli.embed import embed as embed_command
from aecore.cli.train import train as train_command
from aecore.foundation.errors import AecoreError

ABOUT = """Train autoencoders and explore their latent space: in the browser (aecore app) or from here.

first steps:
  aecore app                                 open the program in a browser
  aecore train denoising                     train one on real digits, under a minute
  aecore walk denoising -o walk.gif          watch what its code means
"""
CODES = """exit codes: 0 done; 1 failed, one line on stderr says why; 2 wrong usage.
RUN is a run's id, its name, or as much of the id's beginning as no other run shares; see aecore list."""


class _Add:
    """Adds a command to the parser, with a sentence on why one would want it, and an example."""

    def __init__(self, parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
        self._adder, self._common = parser.add_subparsers(metavar="COMMAND", required=True), common

    def __call__(
        self, name: str, run: Callable[[argparse.Namespace], None], why: str, example: str
    ) -> argparse.ArgumentParser:
        made = self._adder.add_parser(
            name, help=why.split(". ")[0], description=why, epilog=f"example:\n  {example}", parents=[self._common],
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        made.set_defaults(command=run, parser=made)
        return made


def _port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65535:
        raise ValueError
    return port


def _count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= 10_000:
        raise ValueError
    return count


def _many(text: str) -> int:
    count = int(text)
    if not 2 <= count <= 70_000:
        raise ValueError
    return count


def _level(text: str) -> float:
    level = float(text)
    if not 0 <= level <= 10:
        raise ValueError
    return level


# argparse words a refused value with its type's name: "invalid port (1 to 65535) value".
_port.__name__, _count.__name__, _level.__name__ = "port (1 to 65535)", "number (1 to 10000)", "level (0 to 10)"
_many.__name__ = "number (2 to 70000)"


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--home", metavar="DIR", default=argparse.SUPPRESS, help="folder of runs and downloads (AECORE_HOME)"
    )
    parser = argparse.ArgumentParser("aecore", description=ABOUT, epilog=CODES, parents=[common],
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--version", action="version", version=f"aecore {aecore.__version__}")
    add = _Add(parser, common)
    _add_making(add)
    _add_listing(add)
    _add_looking(add)
    _add_keeping(add)
    return parser


def _add_making(add: _Add) -> None:
    app = add(
        "app",
        manage.app,
        "Open the program in a browser. A latent space is understood by moving through it.",
        "aecore app --port 8600 --no-browser",
    )
    app.add_argument("--port", type=_port, help="exactly this port (default: the first free one from 8501)")
    app.add_argument(
        "--host", default="127.0.0.1", help="address to serve at; 0.0.0.0 for the whole network (%(default)s)"
    )
    app.add_argument("--no-browser", action="store_true", help="only print the address")
    train = add(
        "train",
        train_command,
        "Train a recipe and keep the run. Ctrl-C ends it early and keeps the best weights so far.",
        "aecore train variational --dataset shapes --set objective.beta=4 --set epochs=30 --name 'my first VAE'\n"
        "  aecore train denoising --dataset folder=pictures --set dataset.size=28\n"
        "  aecore train --resume stacked_denoising-digits-20260101-1a2b3c",
    )
    train.add_argument("recipe", metavar="RECIPE", nargs="?", help="a kind of autoencoder; see aecore recipes")
    train.add_argument(
        "--dataset", metavar="KIND[=PATH]", help="see aecore datasets; with PATH, your own npz file or folder"
    )
    train.add_argument(
        "--set",
        metavar="FIELD=VALUE",
        action="append",
        default=[],
        help="a setting by its dotted name, as often as needed; names: aecore show RUN",
    )
    train.add_argument("--name", default="", help="what to call the run")
    train.add_argument(
        "--resume", metavar="RUN", help="go on with a training of several stages, at the stage where it was ended"
    )
    _json(train)


def _json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON for programs instead of text for people")


def _add_listing(add: _Add) -> None:
    listing = add(
        "list",
        list.list_runs,
        "List every run, newest first. Damaged ones are listed too, with the reason.",
        "aecore list --json",
    )
    show = add(
        "show",
        list.show,
        "Show one run. Its settings are what --set can change, its units what walk shows.",
        "aecore show denoising --json",
    )
    show.add_argument("run", metavar="RUN")
    directions = add(
        "directions",
        list.directions,
        "List what a code can be moved along. Where it is clear, words say what that changes in the picture.",
        "aecore directions shapes-variational",
    )
    directions.add_argument("run", metavar="RUN")
    recipes = add(
        "recipes",
        list.recipes,
        "List the kinds of autoencoder. Each shows one idea, with formula and paper.",
        "aecore recipes",
    )
    datasets = add(
        "datasets",
        list.datasets,
        "List the datasets. Their sources and licences matter before you publish a picture.",
        "aecore datasets",
    )
    for command in (listing, show, directions, recipes, datasets):
        _json(command)
    fetch = add(
        "fetch",
        list.fetch,
        "Download a dataset once. Afterwards nothing needs the network for it.",
        "aecore fetch mnist",
    )
    fetch.add_argument("kind", metavar="KIND", help="see aecore datasets")


def _add_looking(add: _Add) -> None:
    rebuild = add(
        "reconstruct",
        draw.reconstruct,
        "Draw images beside what the model makes of them. What is lost is not in the code.",
        "aecore reconstruct denoising cat.png -o out.png\n  aecore reconstruct denoising --level 0.4 -o out.png",
    )
    rebuild.add_argument("run", metavar="RUN")
    rebuild.add_argument("images", metavar="IMAGE", nargs="*", help="picture files, zip or npz (default: test images)")
    rebuild.add_argument("--n", type=_count, default=8, help="how many test images (%(default)s)")
    rebuild.add_argument("--level", type=_level, help="corrupt them first, this much")
    rebuild.add_argument("--noise", metavar="KIND", help="corrupt them first, in this way (default: as in training)")
    rebuild.add_argument("--seed", type=int, default=0, help="of the noise; equal seeds repeat it (%(default)s)")
    walk = add(
        "walk",
        draw.walk,
        "Move one unit of the code at a time and draw what changes. So one sees what it means.",
        "aecore walk variational -o walk.gif\n  aecore walk variational --image seven.png --unit 3 -o unit3.png",
    )
    walk.add_argument("run", metavar="RUN")
    start = walk.add_mutually_exclusive_group()
    start.add_argument("--image", metavar="FILE", help="start from this picture (default: a test image)")
    start.add_argument("--index", metavar="N", type=int, help="start from the dataset's image N")
    walk.add_argument("--unit", metavar="K", type=int, help="only this unit (default: the eight most effective)")
    embed = add(
        "embed",
        embed_command,
        "Write maps of images as numbers, with their quality and a picture. Any plotting program can draw or compare "
        "them.",
        "aecore embed deep --method pca --method mds --method code -o map.csv\n"
        "  aecore embed deep --method 'mds(distance=cosine)' --method code@variational -o map.csv\n"
        "  aecore embed pictures --method pca --method code --run deep -o map.csv\n"
        "  aecore embed deep --method units --n 2000 -o codes.npy",
    )
    embed.add_argument(
        "source",
        metavar="RUN|FOLDER|FILE.npz",
        help="a run's images, or pictures of your own, whose classes an npz file's labels or the folders' names are",
    )
    embed.add_argument(
        "--method",
        action="append",
        help="pca, mds, code, classical_mds, mds_nonmetric, tsne, umap, with settings as in 'mds(distance=cosine)', up "
        "to four times; code@RUN: another run's code, code~EPOCH: an earlier one; or units: the whole code (default: "
        "code, of pictures without a run pca)",
    )
    embed.add_argument("--run", metavar="RUN", help="whose size and code your own pictures get")
    embed.add_argument(
        "--n",
        type=_many,
        help="at most so many images: of a run, test images first, stratified by class (default: 1,000); of your own, "
        "the first (default: 70,000)",
    )
    likelihood = add(
        "likelihood",
        draw.likelihood,
        "Estimate log p(x) of test images. It says how well a variational model has learned the data, in nats.",
        "aecore likelihood variational --samples 100\n  aecore likelihood variational --samples 5000 --binarise --json",
    )
    likelihood.add_argument("run", metavar="RUN")
    likelihood.add_argument(
        "--samples", type=_count, default=100, metavar="K", help="importance samples per image (%(default)s)"
    )
    likelihood.add_argument(
        "--n", type=_count, default=1000, help="at most so many images, stratified by class (%(default)s)"
    )
    likelihood.add_argument("--seed", type=int, default=0, help="of the samples, and of --binarise (%(default)s)")
    likelihood.add_argument(
        "--binarise",
        action="store_true",
        help="draw each pixel once, on with its grey as probability: what a Bernoulli output is a distribution over",
    )
    _json(likelihood)
    for command, kinds in ((rebuild, ".png"), (walk, ".png or .gif"), (embed, ".csv or .npy")):
        command.add_argument("-o", "--out", metavar="FILE", required=True, help=f"file to write: {kinds}")


def _add_keeping(add: _Add) -> None:
    delete = add(
        "delete",
        manage.delete,
        "Move runs to the trash. The last ten can be brought back.",
        "aecore delete denoising-digits-20260101-1a2b3c",
    )
    delete.add_argument("runs", metavar="RUN", nargs="+")
    restore = add(
        "restore",
        manage.restore,
        "Bring a deleted run back. Without a run, lists those that can be.",
        "aecore restore denoising-digits-20260101-1a2b3c",
    )
    restore.add_argument("run", metavar="RUN", nargs="?", help="its whole id")
    _json(restore)
    rename = add(
        "rename",
        manage.rename,
        "Give a run a name people remember. Its id stays, so links keep working.",
        "aecore rename denoising-digits-20260101-1a2b3c 'forty per cent noise'",
    )
    rename.add_argument("run", metavar="RUN")
    rename.add_argument("name", metavar="NAME")
    export = add(
        "export",
        manage.export,
        "Pack a run into a zip file, or its model into an ONNX file. A zip opens on any machine with aecore import, "
        "a model in every program that runs ONNX.",
        "aecore export denoising run.zip\n  aecore export variational decoder.onnx\n"
        "  aecore export denoising repair.onnx --part denoiser --noise salt_and_pepper",
    )
    export.add_argument("run", metavar="RUN")
    export.add_argument("out", metavar="OUT", help="file to write: .zip for the run, .onnx for its model")
    export.add_argument(
        "--part", choices=("decoder", "encoder", "denoiser"), help="what an .onnx file does (default: decoder)"
    )
    export.add_argument("--noise", metavar="KIND", help="a denoiser's corruption (default: as in training)")
    export.add_argument("--with-images", action="store_true", help="also the pictures of your own it was trained on")
    bring = add(
        "import",
        manage.import_run,
        "Add a run that was exported elsewhere. All of it is checked before it is kept.",
        "aecore import run.zip",
    )
    bring.add_argument("file", metavar="FILE.zip")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; wrong usage raises SystemExit(2), as argparse does."""
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without × or λ must not end a command
    if "home" in options:
        os.environ["AECORE_HOME"] = options.home
    try:
        options.command(options)
        sys.stdout.flush()
    except output.UsageError as error:
        options.parser.error(_one_line(str(error)))
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python flushes once more at the end, which must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except KeyboardInterrupt:
        return _failed("interrupted; nothing was kept")
    except OSError as error:
        return _failed(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except AecoreError as error:
        return _failed(str(error))
    return 0


def _failed(why: str) -> int:
    print(f"aecore: {_one_line(why)}", file=sys.stderr)
    return 1


def _one_line(text: str) -> str:
    return output.plain(" ".join(text.split()))
