"""What the code must never do with what somebody else made: run it, believe it, or open a door to it."""

import ast
import os
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted([*(ROOT / "wsss").rglob("*.py"), *(ROOT / ".ci").glob("*.py"), *(ROOT / "benchmarks").glob("*.py")])
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def code_of(path: Path) -> ast.Module:
    if path.suffix == ".py":
        return ast.parse(path.read_text(encoding="utf-8"))
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    return ast.parse("\n".join(re.sub(r"^[%!].*$", "", source, flags=re.MULTILINE) for source in cells))


def name_of(call: ast.Call) -> str:
    """`numpy.load` for `np.load(…)`, as far as it is written there."""
    return ast.unparse(call.func).replace("np.", "numpy.")


NAMES = ("http://mlcommons.org/croissant/", "http://purl.org/dc/terms/")
"""Terms of vocabularies, which are compared letter by letter and never fetched."""


def dangers(tree: ast.Module) -> Iterator[str]:
    """What a reader of the code would stop at, each with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            for module in modules:
                if module.split(".")[0] in ("dill", "shelve", "marshal", "cloudpickle", "joblib"):
                    yield f"{node.lineno}: {module} runs what it reads"
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node.value.startswith("http://")
            and not node.value.startswith(NAMES)
        ):
            yield f"{node.lineno}: {node.value} comes without encryption"
        if not isinstance(node, ast.Call):
            continue
        if name_of(node).startswith("pickle."):
            yield f"{node.lineno}: {name_of(node)} runs what it reads"
        name, given = name_of(node), {word.arg: word.value for word in node.keywords}
        constants = {key: value.value for key, value in given.items() if isinstance(value, ast.Constant)}
        if name in ("eval", "exec", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load", "__import__"):
            yield f"{node.lineno}: {name}"
        if constants.get("shell") is True:
            yield f"{node.lineno}: {name} with a shell"
        if name == "torch.load" and constants.get("weights_only") is not True:
            yield f"{node.lineno}: torch.load without weights_only=True"
        if name == "numpy.load" and constants.get("allow_pickle") is not False:
            yield f"{node.lineno}: numpy.load without allow_pickle=False"
        if name.endswith(".from_pretrained") and constants.get("trust_remote_code") is not False:
            yield f"{node.lineno}: {name} without trust_remote_code=False"
        if name.endswith(".extractall") and "filter" not in given:
            yield f"{node.lineno}: {name} without a filter"
        if name.endswith("load_state_dict") and "timm" in name and constants.get("weights_only") is not True:
            yield f"{node.lineno}: {name} without weights_only=True"


OWN_CODE = {"benchmarks/own_models_tools.py": {"exec"}}
"""What is looked at and left: the benchmark runs the code of its own page, whose lines it counts."""


@pytest.mark.parametrize("path", [*SOURCES, *NOTEBOOKS], ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_foreign_is_run(path: Path) -> None:
    known = OWN_CODE.get(path.relative_to(ROOT).as_posix(), set())
    assert [danger for danger in dangers(code_of(path)) if danger.partition(": ")[2] not in known] == []


@pytest.mark.parametrize(
    "line",
    [
        "pickle.loads(text)", "from joblib import load", "eval('1')", "os.system('ls')", "subprocess.run('ls', shell=True)",
        "torch.load('a')", "torch.load('a', weights_only=False)", "np.load('a')", "numpy.load('a', allow_pickle=True)",
        "yaml.load(text)", "tar.extractall('x')", "AutoModel.from_pretrained('x')", "timm.models.load_state_dict('x')",
        "AutoModel.from_pretrained('x', trust_remote_code=True)", "url = 'http://example.org/data.tar'",
    ],
)  # fmt: skip
def test_the_search_for_dangers_finds_them(line: str) -> None:
    assert len(list(dangers(ast.parse(line)))) == 1


@pytest.mark.parametrize("name", ["README.md", "Makefile", ".ci/run", ".github/workflows/ci.yml", "environment.yml"])
def test_no_door_is_opened(name: str) -> None:
    """JupyterLab and kernels listen on this machine alone, with a token, unless they are told otherwise."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(
        r"0\.0\.0\.0|--ip[ =]|allow_origin|ServerApp\.(token|password)|--no-verify|trusted-host|allow-root", text
    )


def test_servers_and_kernels_listen_on_this_machine_alone() -> None:
    from jupyter_client.manager import KernelManager
    from jupyter_server.auth.identity import IdentityProvider
    from jupyter_server.serverapp import ServerApp

    assert KernelManager().ip in ("127.0.0.1", "localhost")
    assert ServerApp.ip.default_value in ("localhost", "127.0.0.1")
    assert len(IdentityProvider().token) >= 32


# ---- what is installed --------------------------------------------------------------------------------------------

PINS = [Requirement(line) for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]


def installed(name: str) -> Version | None:
    try:
        return Version(version(name))
    except PackageNotFoundError:
        return None


@pytest.mark.skipif(
    not os.environ.get("WSSS_LOCKED"), reason="only in an environment made from requirements.lock (`make test`)"
)
def test_what_is_installed_is_what_is_locked() -> None:
    """The audit that needs no network: versions that somebody has looked at, and no other."""
    wanted = {
        pin.name: Version(str(pin.specifier).removeprefix("=="))
        for pin in PINS
        if pin.marker is None or pin.marker.evaluate()
    }
    found = {name: installed(name) for name in wanted}
    assert {name: (found[name], wanted[name]) for name in wanted if found[name] != wanted[name]} == {}


WRITERS = {
    "write_text", "write_bytes", "savefig", "savez", "savez_compressed", "save_file", "to_csv", "to_json", "copy2",
    "copyfile", "copytree", "imwrite",
}  # fmt: skip
NO_FILES = {"wsss/report/panels.py: savefig", "wsss/cli/__init__.py: open"}
"""Written into a buffer, and to nowhere."""


def writes_in_place(node: ast.AST, safe: bool = False) -> Iterator[str]:
    """Calls that write a file under its last name: outside `with atomic_path(…)`, see `wsss.io`."""
    if isinstance(node, ast.With):
        safe = safe or any("atomic_path(" in ast.unparse(item.context_expr) for item in node.items)
    if isinstance(node, ast.Call) and not safe:
        name = ast.unparse(node.func).rpartition(".")[2]
        modes = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        if name in WRITERS or (name == "open" and any(re.fullmatch("[wx]b?", mode) for mode in modes)):
            yield name
    for child in ast.iter_child_nodes(node):
        yield from writes_in_place(child, safe)


@pytest.mark.parametrize("path", [path for path in SOURCES if path.is_relative_to(ROOT / "wsss")], ids=lambda p: p.stem)
def test_every_file_is_written_under_a_temporary_name(path: Path) -> None:
    """So each writer leaves whole files or none; those of `test_full_disk.py` and `test_kill.py` are tried one by one."""
    place = path.relative_to(ROOT).as_posix()
    assert [found for name in writes_in_place(code_of(path)) if (found := f"{place}: {name}") not in NO_FILES] == []


def test_the_search_for_writers_finds_them() -> None:
    lines = (
        "path.write_text('a')",
        "open('a', 'w')",
        "path.open('wb')",
        "numpy.savez(path, a=1)",
        "frame.to_csv(path)",
    )
    for line in lines:
        assert len(list(writes_in_place(ast.parse(line)))) == 1
        assert not list(writes_in_place(ast.parse(f"with atomic_path(a) as path:\n    {line}")))
    assert not list(writes_in_place(ast.parse("open('a'); path.open('rb')")))
