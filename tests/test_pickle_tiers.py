"""The tables of the tiers: what they say, that nothing stands in two of them, and that torch agrees."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from hfcheck.formats.pickle_compat import imported
from hfcheck.pickle_tiers import (
    CALLED_ARGUMENT,
    Judgement,
    Tier,
    allowed_weights_only,
    judge,
    judge_torchscript,
)

ROOT = Path(__file__).parent.parent
FOLDER = resources.files("hfcheck_schemas")
Pair = tuple[str, str]


def file(name: str) -> Any:  # noqa: ANN401 — JSON
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


GLOBALS = file("pickle-globals.json")
LIBRARY = file("pickle-library.json")["groups"]


def pairs(names: dict[str, list[str]]) -> Iterator[Pair]:
    return ((module, name) for module, members in names.items() for name in members)


def of(written: str, protocol: int = 2) -> Judgement:
    module, _, name = written.rpartition(".")
    return judge(module, name, imported(module, name) if protocol < 3 else (module, name))


DATA = set(pairs(GLOBALS["weights_only"]["names"]))
CLASSES = set(chain.from_iterable(pairs(group["names"]) for group in LIBRARY))


@pytest.mark.parametrize(
    "written",
    [
        "collections.OrderedDict",
        "torch._utils._rebuild_tensor_v2",
        "torch.FloatStorage",
        "__builtin__.set",
        "torch.Size",
    ],
)
def test_data(written: str) -> None:
    assert of(written) == Judgement(Tier.DATA)


@pytest.mark.parametrize(
    "written",
    [
        "numpy.dtype", "numpy.core.multiarray._reconstruct", "numpy._core.multiarray.scalar", "copy_reg._reconstructor",
        "sklearn.tree._tree.Tree", "sklearn.neighbors._kd_tree.newObj", "sklearn._loss._loss.CyHalfBinomialLoss",
        "sklearn.externals.joblib.numpy_pickle.NumpyArrayWrapper", "transformers.trainer_utils.IntervalStrategy",
        "transformers.training_args.OptimizerNames", "pyannote.audio.core.task.Problem", "datetime.datetime",
        "pathlib.PosixPath", "torch.torch_version.TorchVersion", "transformers.modeling_outputs.BaseModelOutput",
        "sklearn.impute._iterative._ImputerTriplet",
    ],
)  # fmt: skip
def test_library_that_may_be_called(written: str) -> None:
    assert of(written) == Judgement(Tier.LIBRARY)


@pytest.mark.parametrize(
    "written",
    [
        "sklearn.linear_model.logistic.LogisticRegression", "sklearn.linear_model._logistic.LogisticRegression",
        "sklearn.svm._classes.SVC", "scipy.sparse._csr.csr_matrix", "scipy.sparse.csr.csr_matrix",
        "torch.nn.modules.linear.Linear", "torch.nn.functional.relu", "torch.optim.adamw.AdamW",
        "torch.optim.lr_scheduler.LambdaLR", "transformers.training_args.TrainingArguments",
        "transformers.training_args_seq2seq.Seq2SeqTrainingArguments",
        "transformers.trainer_pt_utils.AcceleratorConfig",
        "transformers.integrations.deepspeed.HfTrainerDeepSpeedConfig", "trl.trainer.sft_config.SFTConfig",
        "accelerate.state.PartialState", "omegaconf.dictconfig.DictConfig", "omegaconf.base.ContainerMetadata",
        "omegaconf.nodes.AnyNode", "lightning.fabric.utilities.data.AttributeDict",
        "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint", "typing.Any",
        "transformers.models.bert.modeling_bert.BertModel", "transformers.models.bert.configuration_bert.BertConfig",
    ],
)  # fmt: skip
def test_library_that_is_made_empty(written: str) -> None:
    assert of(written) == Judgement(Tier.LIBRARY, calls=False)


@pytest.mark.parametrize(
    "written",
    [
        "__main__x.Net", "sklearn.svm._classes.Nothing", "os_.system", "torch.nn.Linear", "transformers.AutoModel",
        "numpy.ctypeslib.x", "lightning.anything.X", "sklearn.utils._array_api._ArrayAPIWrapper",
    ],
)  # fmt: skip
def test_unknown(written: str) -> None:
    assert of(written) == Judgement(Tier.UNKNOWN)


@pytest.mark.parametrize(
    ("written", "does"),
    [
        ("os.system", "runs a command"),
        ("posix.system", "runs a command"),
        ("commands.getoutput", "runs a command"),
        ("subprocess.Popen", "runs a command"),
        ("pip._internal.main", "runs a command"),
        ("__builtin__.eval", "runs code"),
        ("builtins.exec", "runs code"),
        ("idlelib.pyshell.ModifiedInterpreter", "runs code"),
        ("scipy.stats._continuous_distns.norm_gen", "runs code"),
        ("cPickle.loads", "loads a second pickle"),
        ("torch.storage._load_from_bytes", "loads a second pickle"),
        ("importlib.import_module", "imports a module"),
        ("numpy.core._ufunc_reconstruct", "imports a module"),
        ("builtins.getattr", "reaches attributes of anything"),
        ("operator.attrgetter", "reaches attributes of anything"),
        ("types.FunctionType", "makes code objects and functions"),
        ("ctypes.util.x", "loads native code"),
        ("io.open", "opens files"),
        ("urllib.request.urlopen", "opens network connections"),
        ("multiprocessing.pool.Pool", "starts processes or threads"),
        ("sys.exit", "changes the interpreter"),
        ("transformers.integrations.integration_utils.NeptuneCallback", "deletes or moves files"),
        ("xgboost.core.DMatrix", "frees or reads memory at an address that its state names"),
    ],
)
def test_dangerous(written: str, does: str) -> None:
    assert of(written) == Judgement(Tier.DANGEROUS, does)


def test_a_name_of_python_2_is_dangerous_at_any_protocol() -> None:
    assert of("__builtin__.eval", protocol=4).tier is Tier.DANGEROUS
    assert of("__builtin__.set", protocol=4).tier is Tier.UNKNOWN


def test_a_module_without_a_star_is_that_module_alone() -> None:
    assert of("urllib.urlopen").tier is Tier.DANGEROUS
    assert of("urllib.parse.quote").tier is Tier.UNKNOWN
    assert of("subprocess.below.x").tier is Tier.DANGEROUS


@pytest.mark.parametrize("module", ["torch.nn.modules.linear", "collections", "sklearn.svm"])
def test_a_dot_in_the_name_is_never_trusted(module: str) -> None:
    assert judge(module, "OrderedDict.fromkeys", (module, "OrderedDict.fromkeys")).tier is Tier.UNKNOWN


def test_what_is_computed_is_unknown_unless_half_of_it_is_known() -> None:
    assert judge(None, None, None).tier is Tier.UNKNOWN
    assert judge("torch", None, None).tier is Tier.UNKNOWN
    assert judge("os", None, None).tier is Tier.DANGEROUS


def test_torchscript_has_names_of_its_own() -> None:
    for module, name in (("__torch__.a.b", "C"), ("__torch__", "M"), ("torch.jit._pickle", "build_intlist")):
        assert judge_torchscript(module, name, (module, name)).tier is Tier.LIBRARY
        assert judge(module, name, (module, name)).tier is Tier.UNKNOWN
    assert judge_torchscript("__torch__x", "C", ("__torch__x", "C")).tier is Tier.UNKNOWN
    assert judge_torchscript("os", "system", ("os", "system")).tier is Tier.DANGEROUS
    assert judge_torchscript("torch", "FloatStorage", ("torch", "FloatStorage")).tier is Tier.DATA


@pytest.mark.parametrize("module", ["sys", "os", "posix", "nt"])
def test_weights_only_blocks_modules(module: str) -> None:
    assert not allowed_weights_only(module, "system")


def test_weights_only_joins_before_it_looks() -> None:
    assert allowed_weights_only("torch", "nn.parameter.Parameter")
    assert allowed_weights_only("__builtin__", "set")
    assert not allowed_weights_only("__builtin__", "eval")
    assert not allowed_weights_only(None, "set")


# What the tables owe their reader.


def test_nothing_stands_in_two_tables() -> None:
    seen = Counter(chain(pairs(GLOBALS["weights_only"]["names"]), *(pairs(group["names"]) for group in LIBRARY)))

    assert [pair for pair, count in seen.items() if count > 1] == []
    assert [pair for pair in sorted(DATA | CLASSES) if judge(*pair, pair).tier is Tier.DANGEROUS] == []


def test_tiers_agree_with_the_tables() -> None:
    assert {judge(*pair, pair).tier for pair in DATA} == {Tier.DATA}
    assert {judge(*pair, pair).tier for pair in CLASSES} == {Tier.LIBRARY}


def test_what_calls_an_argument_is_trusted_itself() -> None:
    assert set(CALLED_ARGUMENT) <= DATA | CLASSES


@pytest.mark.parametrize("name", ["pickle-globals", "pickle-library"])
def test_schema(name: str) -> None:
    schemas = {f"{each}.schema.json": file(f"{each}.schema.json") for each in ("pickle-globals", "pickle-library")}
    registry: Registry[Any] = Registry().with_resources(
        (each, Resource.from_contents(schema, DRAFT202012)) for each, schema in schemas.items()
    )
    validator = Draft202012Validator(schemas[f"{name}.schema.json"], registry=registry)

    Draft202012Validator.check_schema(schemas[f"{name}.schema.json"])
    assert [error.message for error in validator.iter_errors(file(f"{name}.json"))] == []


def test_sorted() -> None:
    for group in (GLOBALS["weights_only"], GLOBALS["torchscript"], *GLOBALS["dangerous"], *LIBRARY):
        assert list(group["names"]) == sorted(group["names"])
        assert all(names == sorted(names) for names in group["names"].values())
        assert group.get("modules", []) == sorted(group.get("modules", []))


def test_an_ordinary_checkpoint_does_not_need_the_large_file() -> None:
    code = (
        "from hfcheck import pickle_tiers as tiers\n"
        "tiers.judge('torch', 'FloatStorage', ('torch', 'FloatStorage'))\n"
        "tiers.judge('os', 'system', ('os', 'system'))\n"
        "assert tiers._library.cache_info().currsize == 0\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# What can be made again here: the rest needs the wheels of the releases (`python -m tools.pickle_globals --check`).


def test_written_by_hand_is_in_the_file() -> None:
    tables = pytest.importorskip("tools.pickle_globals.tables")
    by_hand = {pair for group in tables.GROUPS for pair in pairs(tables.grouped(group)["names"])}

    assert GLOBALS["dangerous"] == tables.dangerous()
    assert GLOBALS["torchscript"] == tables.grouped(tables.TORCHSCRIPT)
    assert by_hand <= CLASSES | DATA


@pytest.mark.loader
def test_torch_accepts_the_same_names() -> None:
    """In a process of its own: what other tests import registers further names."""
    pytest.importorskip("torch")
    program = "import json; from tools.pickle_globals.tables import weights_only; print(json.dumps(weights_only()))"
    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True)
    assert GLOBALS["weights_only"] == json.loads(answer.stdout)


@pytest.mark.loader
def test_torch_answers_the_same() -> None:
    pytest.importorskip("torch")
    from torch import _weights_only_unpickler as unpickler  # noqa: PLC0415 — torch

    known = unpickler._get_allowed_globals()  # noqa: SLF001
    blocked = unpickler._blocklisted_modules  # noqa: SLF001
    asked = chain(DATA, CLASSES, [("__builtin__", "set"), ("__builtin__", "long"), ("torch", "nn.parameter.Parameter")])
    registered = set(pairs(GLOBALS["weights_only"]["registered"]["names"]))
    for module, name in asked:
        lines = iter([f"{module}\n".encode(), f"{name}\n".encode()])
        found = unpickler._read_global_instruction(lines.__next__)  # noqa: SLF001
        accepted = ".".join(found) in known and found[0] not in blocked
        assert allowed_weights_only(module, name) == (accepted or found in registered), (module, name)


@pytest.mark.loader
def test_names_of_transformers_exist() -> None:
    """Of the installed release: a name that is not there any more is one of another release."""
    transformers = pytest.importorskip("transformers")
    group = next(each for each in LIBRARY if "training run" in each["reason"] and not each["calls"])
    folder = Path(transformers.__file__).parent
    text = (folder / "training_args.py").read_text(encoding="utf-8")

    assert f"transformers {transformers.__version__}" in group["source"]
    assert all(f"class {name}" in text for name in group["names"]["transformers.training_args"])
