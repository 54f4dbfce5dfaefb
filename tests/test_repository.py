"""What stays true of the repository as a whole: one address, clean notebooks, pins that fit, short files."""

import ast
import inspect
import json
import re
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import qtutor

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
REPOSITORY = PROJECT["urls"]["Repository"]
NOTEBOOKS = sorted((ROOT / "book").glob("**/[!.]*.ipynb"))
MODULES = sorted((ROOT / "qtutor").rglob("*.py"))
HELPERS = [file for folder in ("tests", "bench", "_ext") for file in sorted((ROOT / folder).rglob("*.py"))]
PACKAGE_OF = {"yaml": "pyyaml"}  # where the name that is imported is not the name that is installed


def name(path):
    return path.relative_to(ROOT).as_posix()


def read(path):
    return (ROOT / path).read_text("utf8")


def tracked():
    """Return the files that git tracks or would track: a new file counts before it is committed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
    files = [ROOT / file for file in names if file]
    return [file for file in files if file.is_file() and "vendor" not in file.parts]


def holding(pattern):
    """Return the names of the tracked files in which a pattern occurs."""
    texts = {name(file): file.read_bytes().decode("utf8", "ignore") for file in tracked()}
    return [file for file, text in texts.items() if re.search(pattern, text)]


def pins(path):
    """Return {package: version} of a requirements file in which every line must be an exact version."""
    lines = [line.partition("#")[0].strip() for line in read(path).splitlines()]
    versions = {}
    for requirement in [Requirement(line) for line in lines if line and not line.startswith("--")]:
        (pin,) = requirement.specifier
        assert pin.operator == "==", f"{path}: {requirement} is not pinned"
        versions[canonicalize_name(requirement.name)] = pin.version
    return versions


def imports(source):
    """Return the packages that a Python text imports: not the standard library, not this repository."""
    names = set()
    for node in ast.walk(ast.parse(re.sub(r"(?m)^\s*[%!].*$", "pass", source))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.partition(".")[0])
    ours = {"qtutor", "tests"} | {file.stem for file in HELPERS}
    return {canonicalize_name(PACKAGE_OF.get(n, n)) for n in names - ours - set(sys.stdlib_module_names)}


def code_cells(notebook):
    cells = json.loads(notebook.read_text("utf8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def test_the_public_address_stands_in_one_place():
    assert holding(re.escape(REPOSITORY.removeprefix("https://"))) == ["pyproject.toml"]
    any_owner = rf"(github\.com[/:]|mybinder\.org/v2/gh/)[\w.-]+/{PROJECT['name']}\b"
    assert holding(any_owner) == ["pyproject.toml"]


def test_the_launch_buttons_of_the_built_pages_derive_from_it(book):
    page = (book / "book/welcome.html").read_text("utf8")
    owner_and_name = "/".join(REPOSITORY.split("/")[-2:])
    links = re.findall(r'href="(https://(?:mybinder|colab)[^"]*)"', page)
    assert len(links) >= 2
    assert [link for link in links if owner_and_name not in link] == []
    assert f'href="{REPOSITORY}' in page


def test_the_index_of_cpu_builds_stands_in_one_place():
    assert holding(r"download\.pytorch" + r"\.org") == ["binder/requirements.txt"]


def test_every_page_of_the_contents_exists_and_every_notebook_is_in_it():
    contents = yaml.safe_load(read("_toc.yml"))
    pages = re.findall(r"'(?:root|file)': '([^']+)'", str(contents))
    missing = [page for page in pages if not list(ROOT.glob(f"{page}.*"))]
    assert missing == []
    assert {name(notebook).removesuffix(".ipynb") for notebook in NOTEBOOKS} <= set(pages)
    assert NOTEBOOKS


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=name)
def test_a_notebook_is_stripped_and_its_cells_are_short(notebook):
    cells = json.loads(notebook.read_text("utf8"))["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
    lengths = [sum(bool(line.strip()) for line in source.splitlines()) for source in code_cells(notebook)]
    assert max(lengths) <= 20
    assert statistics.median(lengths) <= 6


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_module_is_short_and_unpickles_nothing(module):
    source = module.read_text("utf8")
    assert len(source.splitlines()) <= 220
    assert not imports(source) & {"dill", "cloudpickle", "joblib"}
    assert not re.search(r"\bpickle\b|\btorch\.(load|save)\b|\ballow_pickle\b|\beval\(|\bexec\(", source)


def test_every_public_name_explains_itself():
    public = {key: value for key, value in vars(qtutor).items() if not key.startswith("_")}
    objects = {key: value for key, value in public.items() if callable(value) or inspect.ismodule(value)}
    assert {"evolve", "train", "explore", "quantum_loss"} <= set(objects)
    made_by_dataclass = {key for key, value in objects.items() if (value.__doc__ or "").startswith(f"{key}(")}
    assert {key for key, value in objects.items() if not value.__doc__} | made_by_dataclass == set()


def test_the_pins_satisfy_the_loose_ranges():
    exact = pins("requirements.txt") | pins("requirements-bench.txt")
    loose = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    for requirement in [Requirement(line) for lines in loose for line in lines]:
        assert requirement.specifier.contains(exact[canonicalize_name(requirement.name)]), requirement


def test_binder_has_the_pinned_versions():
    exact = pins("requirements.txt")
    for package, version in pins("binder/requirements.txt").items():
        assert version.removesuffix("+cpu") == exact[package]


def test_what_is_imported_is_installed():
    runtime = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    image = set(pins("binder/requirements.txt"))
    everything = set(pins("requirements.txt")) | set(pins("requirements-bench.txt"))
    brought = {"ipython", "google"}  # IPython comes with ipywidgets; google.colab exists on Colab only
    optional = {canonicalize_name(Requirement(line).name) for line in PROJECT["optional-dependencies"]["cluster"]}
    for module in MODULES:
        assert imports(module.read_text("utf8")) <= runtime | brought | optional, module
    for notebook in NOTEBOOKS:
        assert imports("\n".join(code_cells(notebook))) <= image | brought, notebook
    for file in HELPERS:
        assert imports(file.read_text("utf8")) <= everything, file
    assert runtime <= image


def test_the_version_is_the_same_everywhere():
    assert qtutor.__version__ == PROJECT["version"]
    assert str(yaml.safe_load(read("CITATION.cff"))["version"]) == PROJECT["version"]
    assert re.search(r"(?m)^## (\S+?),? ", read("CHANGELOG.md"))[1] == PROJECT["version"]


def test_nothing_listens_to_other_machines():
    commands = [line for line in read("Makefile").splitlines() if "http.server" in line]
    assert commands and all("--bind 127.0.0.1" in line for line in commands)
    assert holding(r"0\.0\.0" + r"\.0|--ip=\*") == []


def test_the_readme_shows_both_commands_and_its_links_lead_somewhere():
    text = read("README.md")
    assert "$ make book" in text and "$ make test" in text
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    rows = re.findall(r"(?m)^\| (`.*?) \|", text)
    links += re.findall(r"`([^`]+)`", " ".join(rows))
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_no_file_names_a_path_of_one_machine():
    texts = [name(f) for f in tracked() if f.suffix in {".md", ".ipynb", ".py", ".txt", ".toml", ".yml"}]
    paths = r"(?<![\w.:/])/" + r"(tmp|work|root|home)/"
    assert set(holding(paths)) & set(texts) == set()
