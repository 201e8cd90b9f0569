"""The command line as a whole: its names, help, wrong usage, exit codes, completion, and how it runs as a program."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from aecore.cli.parser import cli, main

ROOT = Path(__file__).parents[3]
NAMES = {
    "app": ("", "--port --host --no-browser! --shared! --read-only! --allow-host+ --quota+ --metrics!"),
    "train": ("RECIPE?", "--dataset --set+ --name --resume --json!"),
    "list": ("", "--json!"),
    "show": ("RUN", "--json!"),
    "directions": ("RUN", "--json!"),
    "recipes": ("", "--json!"),
    "datasets": ("", "--json!"),
    "fetch": ("KIND", ""),
    "reconstruct": ("RUN IMAGE*", "--n --level --noise --seed -o/--out"),
    "walk": ("RUN", "--image --index --unit -o/--out"),
    "embed": ("RUN|FOLDER|FILE", "--method+ --run --n -o/--out"),
    "likelihood": ("RUN", "--samples --n --seed --binarise! --json!"),
    "queue": ("", "--json!"),
    "stop": ("RUN*", "--all!"),
    "share": ("RUN", "--off!"),
    "delete": ("RUN+", ""),
    "restore": ("RUN?", "--json!"),
    "rename": ("RUN NAME", ""),
    "export": ("RUN OUT", "--part --noise --with-images!"),
    "import": ("FILE.zip", ""),
}
"""{command: (its arguments, its options besides --home and -h/--help)}. ? and *: may be left out; + and *: as often as
needed; !: takes no value. Scripts rely on these names: they are added to, never changed.
"""


def named(option: click.Option) -> str:
    return "/".join(option.opts) + ("!" if option.is_flag else "+" if option.multiple else "")


def argument_named(argument: click.Argument) -> str:
    name = str(argument.metavar).removesuffix("...").strip("[]")
    return name + ({True: "+", False: "*"} if argument.nargs == -1 else {True: "", False: "?"})[argument.required]


def split(parameters: list[click.Parameter]) -> tuple[list[str], list[str]]:
    """Return the names of the arguments and of the options."""
    return (
        [argument_named(parameter) for parameter in parameters if isinstance(parameter, click.Argument)],
        [named(parameter) for parameter in parameters if isinstance(parameter, click.Option)],
    )


def test_the_commands_arguments_and_options_are_the_known_ones():
    with cli.make_context("aecore", []) as context:
        assert split(cli.get_params(context)) == ([], ["--home", "--version!", "-h/--help!"])
        assert cli.list_commands(context) == list(NAMES)
        for name, (arguments, options) in NAMES.items():
            with cli.commands[name].make_context(name, [], context, resilient_parsing=True) as inner:
                found = split(inner.command.get_params(inner))
            assert found == (arguments.split(), [*options.split(), "--home", "-h/--help!"]), name


# --- help and wrong usage


@pytest.mark.parametrize("name", ["", *NAMES])
def test_help_has_an_example_and_a_reason(command, name):
    text = command(*name.split(), "--help")
    assert text == command(*name.split(), "-h")
    assert f"  aecore {name}" in text
    assert "Example" in text or "First steps:" in text
    assert ". " in " ".join(text.partition("\n\n")[2].partition("\n\n")[0].split()) + " ", "why, after what"


def test_the_overview_tells_exit_codes_and_what_a_run_is_called(command):
    text = command("--help")
    assert "Exit codes: 0 done; 1 failed, one line on stderr says why; 2 wrong usage." in text
    assert "RUN is a run's id, its name, or as much of the id's beginning as no other run shares" in text
    assert command("--version").startswith("aecore 0.")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "Missing command (see aecore --help)"),
        (["lst"], "No such command 'lst'"),
        (["show"], "Missing argument 'RUN' (see aecore show --help)"),
        (["show", "--nonsense", "tiny"], "No such option '--nonsense'"),
        (["show", "one", "two"], "unexpected extra argument (two)"),
        (["walk", "tiny"], "Missing option '-o' / '--out'"),
        (["walk", "tiny", "-o", "walk.mp4"], ".png or .gif"),
        (["walk", "tiny", "-o", "w.png", "--unit", "one"], "'one' is not a valid integer"),
        (["embed", "tiny", "-o", "e.csv", "--n", "0"], "number (2 to 70000)"),
        (["reconstruct", "tiny", "-o", "r.png", "--level", "nan"], "level (0 to 10)"),
        (["reconstruct", "tiny", "-o", "r.png", "--level", "-1"], "'-1' is not a level"),
        (["reconstruct", "tiny", "-o", "r.png", "--n", "1.5"], "number (1 to 10000)"),
        (["likelihood", "tiny", "--samples", "0"], "number (1 to 10000)"),
        (["app", "--port", "0"], "port (1 to 65535)"),
        (["app", "--port"], "requires an argument"),
    ],
)
def test_wrong_usage_names_the_field(command, arguments, why):
    assert why in command.wrong_usage(*arguments)


def test_no_control_character_reaches_the_terminal(command):
    for arguments in (["\x1b[2J"], ["show", "one", "\x1b[2J"], ["list", "--\x1b[2J"], ["app", "--port", "\x1b[2J"]):
        assert "\x1b" not in command.wrong_usage(*arguments)
    assert "\x1b" not in command.failure("show", "\x1b[2J")


def test_the_home_folder_is_named_before_or_after_the_command(command, tmp_path):
    for name in ("before", "after"):
        (tmp_path / name / "trash" / name).mkdir(parents=True)
    before, after = (["--home", str(tmp_path / name)] for name in ("before", "after"))
    assert command.json(*before, "restore") == ["before"]
    assert command.json("restore", *after) == ["after"]
    assert command.json(*before, "restore", *after) == ["after"]


def test_ctrl_c_is_one_line(command, monkeypatch):
    def press() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.commands["recipes"], "callback", lambda **_: press())
    assert command.failure("recipes") == "aecore: interrupted; nothing was kept"


# --- completion


def completed(monkeypatch, capsys, *words: str) -> list[str]:
    """What a shell is offered after `aecore` and these words, the last of them half written."""
    with monkeypatch.context() as patch:
        patch.setenv("_AECORE_COMPLETE", "bash_complete")
        patch.setenv("COMP_WORDS", " ".join(["aecore", *words]))
        patch.setenv("COMP_CWORD", str(len(words)))
        assert main([]) == 0
    return capsys.readouterr().out.split()


def test_commands_options_and_runs_are_completed(monkeypatch, capsys, tmp_path, own_home):
    for folder in ("runs/digits-mine", "runs/.half", "staging/digits-next", "trash/digits-gone"):
        (own_home / folder).mkdir(parents=True)
    shipped = {path.name for path in (ROOT / "assets" / "runs").iterdir() if path.name.startswith("digits-")}
    assert completed(monkeypatch, capsys, "re") == [
        "plain,recipes",
        "plain,reconstruct",
        "plain,restore",
        "plain,rename",
    ]
    assert completed(monkeypatch, capsys, "walk", "--u") == ["plain,--unit"]
    offered = {f"plain,{name}" for name in {"digits-mine", "digits-next"} | shipped}
    assert set(completed(monkeypatch, capsys, "show", "digits-")) == offered
    assert set(completed(monkeypatch, capsys, "embed", "digits-")) == offered | {"file,digits-"}
    assert completed(monkeypatch, capsys, "delete", "digits-m") == ["plain,digits-mine"]
    assert completed(monkeypatch, capsys, "restore", "") == ["plain,digits-gone"]
    other = ["--home", str(tmp_path / "other")]
    assert completed(monkeypatch, capsys, *other, "rename", "") == []
    monkeypatch.setenv("AECORE_HOME", str(tmp_path / "none"))
    assert completed(monkeypatch, capsys, "delete", "") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_one_that_the_shell_understands(monkeypatch, capsys, shell):
    monkeypatch.setenv("_AECORE_COMPLETE", f"{shell}_source")
    assert main([]) == 0
    script = capsys.readouterr().out
    assert f"_AECORE_COMPLETE={shell}_complete" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)


# --- as a program


def child(*arguments: str, **options) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-P", *arguments], env=env, **pipes, **options)


def test_help_wrong_usage_completion_and_the_app_wait_for_no_library(own_home):
    code = """if True:
        import json, os, socket, sys
        from aecore.cli.parser import main
        with socket.create_server(("127.0.0.1", 0)) as taken:
            words = [["--help"], ["--version"], ["train", "--help"], ["show"], ["walk", "tiny", "-o", "w.txt"],
                     ["app", "--port", str(taken.getsockname()[1])]]
            codes = [main(each) for each in words]
        os.environ |= {"_AECORE_COMPLETE": "bash_complete", "COMP_WORDS": "aecore show d", "COMP_CWORD": "2"}
        codes.append(main([]))
        loaded = {"torch", "numpy", "pydantic", "sklearn", "tqdm", "streamlit"} & set(sys.modules)
        print(json.dumps([codes, sorted(loaded)]))"""
    out, err = child("-c", code).communicate()
    assert json.loads(out.splitlines()[-1]) == [[0, 0, 0, 2, 2, 1, 0], []], err


def test_as_a_program_from_a_folder_of_decoys(own_home, tmp_path):
    """Exit codes, an early closed pipe, and no module of the working folder picked up."""
    for name in ("app.py", "aecore.py", "click.py", "torch.py", "streamlit.py", "json.py"):
        (tmp_path / name).write_text("raise SystemExit('decoy')")
    wrong = child("-m", "aecore", "show", cwd=tmp_path)
    assert "Missing argument 'RUN'" in wrong.communicate()[1]
    assert wrong.returncode == 2
    # Models are built without memory to check weights; normal random numbers there would load torch's compiler, which
    # takes a second.
    code = (
        "import sys; from aecore.cli.parser import main; code = main(['list']); print('torch._dynamo' in sys.modules, "
    )
    listing = child("-c", code + "file=sys.stderr); sys.exit(code)", cwd=tmp_path)
    listing.stdout.close()
    with listing.stderr:
        assert listing.stderr.read() == "False\n"
    assert listing.wait() == 0
