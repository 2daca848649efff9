"""Tier 2: what constructs and runs nothing that the file chooses.

A name enters after its constructor and `__setstate__` were read. What resolves names, evaluates text, opens a path or
a URL, or frees what a number points to, does not: `REFUSED` keeps what was found.
"""

from typing import Final

from tools.pickle_globals.groups import Group, Reading
from tools.pickle_globals.releases import MACOS, Release

_SKLEARN: Final = "https://github.com/scikit-learn/scikit-learn/tree/1.9.X/sklearn"
_DISTANCES: Final = (
    "BrayCurtisDistance CanberraDistance ChebyshevDistance DiceDistance DistanceMetric"
    " EuclideanDistance HammingDistance"
    " HaversineDistance JaccardDistance KulsinskiDistance MahalanobisDistance ManhattanDistance MatchingDistance"
    " MinkowskiDistance PyFuncDistance RogersTanimotoDistance RussellRaoDistance SEuclideanDistance"
    " SokalMichenerDistance SokalSneathDistance WMinkowskiDistance newObj"
)
_SIZED_DISTANCES: Final = " ".join(
    f"{name}{bits}" for name in _DISTANCES.split() if name != "newObj" for bits in ("", "32", "64")
)
_SGD_LOSSES: Final = (
    "Classification EpsilonInsensitive Hinge Huber Log LossFunction ModifiedHuber Regression SquaredEpsilonInsensitive"
    " SquaredHinge SquaredLoss __pyx_unpickle_Classification __pyx_unpickle_LossFunction __pyx_unpickle_Regression"
)
_LOSSES: Final = (
    "CyAbsoluteError CyExponentialLoss CyHalfBinomialLoss CyHalfGammaLoss CyHalfMultinomialLoss CyHalfPoissonLoss"
    " CyHalfSquaredError CyHalfTweedieLoss CyHalfTweedieLossIdentity CyHuberLoss CyLossFunction CyPinballLoss"
)
_UNPICKLED_LOSSES: Final = f"{_LOSSES} {' '.join(f'__pyx_unpickle_{name}' for name in _LOSSES.split())}"
_SCALARS: Final = (
    "bool bool_ byte bytes_ cdouble cfloat character clongdouble clongfloat complex128 complex256 complex64"
    " complexfloating csingle datetime64 double flexible float128 float16 float32 float64 float_ floating generic half"
    " inexact int16 int32 int64 int8 int_ intc integer intp long longcomplex longdouble"
    " longfloat longlong number object_"
    " short signedinteger single singlecomplex str_ string_ timedelta64 ubyte uint uint16 uint32 uint64 uint8 uintc"
    " uintp ulong ulonglong unicode_ unsignedinteger ushort void"
)
_UFUNCS: Final = (
    "abs absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh cbrt ceil clip cos"
    " cosh deg2rad degrees divide"
    " equal exp exp2 expm1 fabs floor floor_divide fmax fmin fmod greater greater_equal hypot isfinite isinf isnan less"
    " less_equal log log10 log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or logical_xor maximum"
    " mean median minimum mod multiply negative not_equal positive power rad2deg radians reciprocal remainder rint sign"
    " sin sinh sqrt square subtract sum tan tanh true_divide trunc"
)
_DTYPES: Final = (
    "BoolDType ByteDType BytesDType CLongDoubleDType Complex128DType Complex64DType DateTime64DType Float16DType"
    " Float32DType Float64DType Int16DType Int32DType Int64DType Int8DType IntDType LongDType LongDoubleDType"
    " LongLongDType ObjectDType ShortDType StrDType StringDType TimeDelta64DType UByteDType UInt16DType UInt32DType"
    " UInt64DType UInt8DType UIntDType ULongDType ULongLongDType UShortDType VoidDType"
)
_ACTIVATIONS: Final = (
    "adaptive_avg_pool2d avg_pool2d avg_pool3d celu celu_ cosine_similarity cross_entropy dropout elu elu_ gelu glu"
    " hardshrink hardsigmoid hardswish hardtanh hardtanh_ interpolate l1_loss layer_norm"
    " leaky_relu leaky_relu_ log_softmax"
    " logsigmoid max_pool2d mish mse_loss normalize pad pairwise_distance prelu relu relu6 relu_ rms_norm rrelu rrelu_"
    " scaled_dot_product_attention selu selu_ sigmoid silu softmax softmin softplus softshrink softsign tanh tanhshrink"
    " threshold"
)

GROUPS: Final = (
    Group(
        "values of the standard library: they hold what they are given, and check or copy it",
        "CPython 3.6 to 3.14: Lib/collections/__init__.py, Lib/copyreg.py, Lib/datetime.py, Lib/_pydecimal.py,"
        " Lib/fractions.py, Lib/uuid.py, Lib/argparse.py, Lib/types.py, Lib/random.py, Modules/_io/bytesio.c",
        {
            "_io": "BytesIO StringIO",
            "_random": "Random",
            "argparse": "Namespace",
            "array": "_array_reconstructor array",
            "builtins": "Ellipsis NotImplemented bool bytes dict float frozenset int list object range slice str tuple",
            "collections": "ChainMap UserDict UserList UserString defaultdict deque",
            "copyreg": "__newobj__ __newobj_ex__ _reconstructor",
            "datetime": "date datetime time timedelta timezone",
            "decimal": "Decimal",
            "fractions": "Fraction",
            "functools": "partial",
            "io": "BytesIO StringIO",
            "ipaddress": "IPv4Address IPv4Network IPv6Address IPv6Network",
            "random": "Random",
            "types": "SimpleNamespace",
            "uuid": "SafeUUID UUID",
        },
    ),
    Group(
        "paths as values: the constructor joins and splits text, and no file is looked at",
        "CPython 3.6 to 3.14: Lib/pathlib.py, Lib/pathlib/_local.py (3.13), Lib/pathlib/__init__.py (3.14)",
        {
            "pathlib": "Path PosixPath PurePath PurePosixPath PureWindowsPath WindowsPath",
            "pathlib._local": "Path PosixPath PurePath PurePosixPath PureWindowsPath WindowsPath",
        },
    ),
    Group(
        "types that are named and not called: of a config, and of an array that was mapped when it was written",
        "CPython 3.6 to 3.14: Lib/typing.py; numpy 1.26.4, 2.5.5: _core/memmap.py, whose constructor opens a file",
        {
            "numpy": "memmap",
            "numpy._core.memmap": "memmap",
            "numpy.core.memmap": "memmap",
            "typing": "Any Dict FrozenSet List Literal Mapping Optional Sequence Set Tuple Union",
        },
        calls=False,
    ),
    Group(
        "arrays, their types and scalars: bytes and numbers; text goes to the parser of type strings, which knows"
        " digits, commas and type codes",
        "numpy 1.16.6, 1.21.6, 1.26.4, 2.5.5:"
        " _core/src/multiarray/{methods,descriptor,scalartypes}.c, _core/numeric.py,"
        " _core/_internal.py, _core/__init__.py, ma/core.py, _core/records.py, matrixlib/defmatrix.py",
        {
            "numpy": f"dtype ndarray matrix recarray record {_SCALARS}",
            "numpy._core": "_DType_reconstruct",
            "numpy._core._internal": "_convert_to_stringdtype_kwargs",
            "numpy._core.multiarray": "_reconstruct scalar",
            "numpy._core.numeric": "_frombuffer",
            "numpy._core.records": "recarray record",
            "numpy.core": "_DType_reconstruct",
            "numpy.core.defmatrix": "matrix",
            "numpy.core.multiarray": "_reconstruct scalar",
            "numpy.core.numeric": "_frombuffer",
            "numpy.core.records": "recarray record",
            "numpy.dtypes": _DTYPES,
            "numpy.ma": "MaskedArray",
            "numpy.ma.core": "MaskedArray MaskedConstant _mareconstruct mvoid",
            "numpy.matrixlib.defmatrix": "matrix",
            "numpy.rec": "recarray record",
        },
    ),
    Group(
        "functions on arrays that an estimator or a config names",
        "numpy 1.26.4, 2.5.5: _core/umath.py, _core/fromnumeric.py; scipy 1.18.1: special/_ufuncs.pyx",
        {
            "numpy": _UFUNCS,
            "numpy._core._multiarray_umath": _UFUNCS.replace("mean median ", ""),
            "numpy.core._multiarray_umath": _UFUNCS.replace("mean median ", ""),
            "scipy._lib.array_api_compat.numpy._aliases": "asarray",
            "scipy.special._ufuncs": "erf erfc expit inv_boxcox log_ndtr logit ndtr xlogy",
        },
        calls=False,
    ),
    Group(
        "random generators: the constructor of numpy looks up a fixed table of five or calls the"
        " class that it is given",
        "numpy 1.16.6 to 2.5.5: random/_pickle.py, random/bit_generator.pyx, random/mtrand.pyx",
        {
            "numpy.random": "RandomState __RandomState_ctor",
            "numpy.random._generator": "Generator",
            "numpy.random._mt19937": "MT19937",
            "numpy.random._pcg64": "PCG64 PCG64DXSM",
            "numpy.random._philox": "Philox",
            "numpy.random._pickle": "__bit_generator_ctor __generator_ctor __randomstate_ctor",
            "numpy.random._sfc64": "SFC64",
            "numpy.random.bit_generator": "SeedSequence __pyx_unpickle_SeedSequence",
            "numpy.random.mtrand": "RandomState",
        },
    ),
    Group(
        "place-holders for arrays: joblib itself reads what they stand for, from the stream or from the file beside it"
        " that `filename` names",
        "joblib 0.11 to 1.6.0: numpy_pickle.py, numpy_pickle_compat.py; scikit-learn 0.18.2 to"
        " 0.20.4: externals/joblib",
        {
            "joblib.numpy_pickle": "NDArrayWrapper NumpyArrayWrapper ZNDArrayWrapper",
            "joblib.numpy_pickle_compat": "NDArrayWrapper ZNDArrayWrapper",
            "sklearn.externals.joblib.numpy_pickle": "NDArrayWrapper NumpyArrayWrapper ZNDArrayWrapper",
            "sklearn.externals.joblib.numpy_pickle_compat": "NDArrayWrapper ZNDArrayWrapper",
        },
    ),
    Group(
        "trees, distances, losses and their helpers in Cython: numbers and arrays, whose types and shapes are checked;"
        " `newObj` and `__pyx_unpickle_*` make an empty object of the class they are given",
        f"{_SKLEARN}: tree/_tree.pyx, tree/_criterion.pyx, tree/_splitter.pyx, neighbors/_binary_tree.pxi.tp,"
        " neighbors/_quad_tree.pyx, metrics/_dist_metrics.pyx.tp, linear_model/_sgd_fast.pyx.tp, _loss/_loss.pyx.tp;"
        " names of older modules from the extension modules of 0.18.2 to 1.7.2, of which some calls itself `_loss`",
        {
            "_loss": _UNPICKLED_LOSSES,
            "sklearn._loss._loss": _UNPICKLED_LOSSES,
            "sklearn.linear_model._sgd_fast": _SGD_LOSSES,
            "sklearn.linear_model.sgd_fast": _SGD_LOSSES,
            "sklearn.metrics._dist_metrics": f"{_SIZED_DISTANCES} newObj __pyx_unpickle_DistanceMetric",
            "sklearn.neighbors._ball_tree": "BallTree BallTree32 BallTree64 newObj",
            "sklearn.neighbors._dist_metrics": _DISTANCES,
            "sklearn.neighbors._kd_tree": "KDTree KDTree32 KDTree64 newObj",
            "sklearn.neighbors._quad_tree": "_QuadTree",
            "sklearn.neighbors.ball_tree": "BallTree newObj",
            "sklearn.neighbors.dist_metrics": _DISTANCES,
            "sklearn.neighbors.kd_tree": "KDTree newObj",
            "sklearn.neighbors.quad_tree": "_QuadTree",
            "sklearn.tree._criterion": "Entropy FriedmanMSE Gini MAE MSE Poisson",
            "sklearn.tree._splitter": "BestSparseSplitter BestSplitter RandomSparseSplitter RandomSplitter",
            "sklearn.tree._tree": "Tree",
            "sklearn.utils._fast_dict": "IntFloatDict __pyx_unpickle_IntFloatDict",
            "sklearn.utils.fast_dict": "IntFloatDict __pyx_unpickle_IntFloatDict",
        },
    ),
    Group(
        "functions on tensors that a module names as its activation, norm or loss",
        "torch 1.4.0 to 2.13.0: nn/functional.py, _C/_nn",
        {
            "torch": "abs clamp cos erf exp log relu relu_ rsqrt selu sigmoid sin softmax sqrt tanh tanh_",
            "torch._C._nn": "elu gelu glu hardsigmoid hardswish hardtanh leaky_relu log_sigmoid mish relu6"
            " scaled_dot_product_attention silu softplus softshrink",
            "torch.nn.functional": _ACTIVATIONS,
        },
        calls=False,
    ),
    Group(
        "values of torch beside those that weights-only loading accepts: a text, a number of an enumeration, an empty"
        " tensor, a layout",
        "torch 2.13.0: torch_version.py, nn/parameter.py, utils/_python_dispatch.py, _tensor.py",
        {
            "torch": "Generator dtype layout memory_format",
            "torch.nn.parameter": "Buffer UninitializedBuffer UninitializedParameter",
            "torch.torch_version": "TorchVersion",
        },
    ),
    Group(
        "tensors over many devices, of which weights-only loading knows the names once their modules are imported",
        "torch 2.13.0: distributed/tensor/_dtensor_spec.py, distributed/tensor/placement_types.py,"
        " distributed/device_mesh.py,"
        " distributed/_mesh_layout.py, nested/_internal/nested_tensor.py",
        {
            "torch.distributed._mesh_layout": "_FlatLayout _MeshLayout",
            "torch.distributed.device_mesh": "DeviceMesh",
            "torch.distributed.tensor": "DTensor",
            "torch.distributed.tensor._api": "DTensor",
            "torch.distributed.tensor._dtensor_spec": "DTensorSpec ShardOrderEntry TensorMeta",
            "torch.distributed.tensor.placement_types": "Partial Replicate Shard _StridedShard",
            "torch.nested._internal.nested_tensor": "NestedTensor",
        },
        calls=False,
    ),
    Group(
        "the text that a fast tokenizer adds: a string and five switches",
        "tokenizers 0.23.3: bindings/python/src/tokenizer.rs, PyAddedToken",
        {"tokenizers": "AddedToken"},
    ),
    Group(
        "boosted trees: `__setstate__` hands the bytes of the model to the library's own parser,"
        " in native code; nothing"
        " that the file names is run. Their constructors open paths",
        "lightgbm 3.3.5, 4.7.0: basic.py, sklearn.py; xgboost 1.7.6, 3.4.1: core.py, sklearn.py",
        {
            "lightgbm.basic": "Booster",
            "lightgbm.sklearn": "LGBMClassifier LGBMModel LGBMRanker LGBMRegressor _LGBMLabelEncoder",
            "xgboost.core": "Booster",
            "xgboost.sklearn": "XGBClassifier XGBModel XGBRFClassifier XGBRFRegressor XGBRanker XGBRegressor",
        },
        calls=False,
    ),
)

TORCHSCRIPT: Final = Group(
    "the unpickler of TorchScript, in C++, knows these names itself; they make lists and tag them with a type",
    "torch 2.13.0: torch/csrc/jit/serialization/unpickler.cpp, readGlobal",
    {
        "torch.jit._pickle": "build_boollist build_doublelist build_intlist build_tensor_from_id build_tensorlist"
        " restore_type_tag"
    },
)


def _releases(distribution: str, *versions: str) -> tuple[Release, ...]:
    """Versions, each `1.2.3` or, where the wheel is for one Python alone, `1.2.3@3.7`."""
    pairs = (version.partition("@") for version in versions)
    return tuple(Release(distribution, version, python or "3.11") for version, _, python in pairs)


READINGS: Final = (
    Reading(
        "layers, containers, parameters, optimizers and schedulers: `__setstate__` updates `__dict__` and fills in what"
        " older releases had not",
        "https://github.com/pytorch/pytorch/tree/v2.13.0/torch/nn/modules",
        (
            Release("torch", "1.4.0", "3.7", MACOS),
            Release("torch", "1.13.1", "3.10", MACOS),
            Release("torch", "2.1.2", "3.10", MACOS),
            Release("torch", "2.6.0", "3.11", MACOS),
            Release("torch", "2.13.0", "3.11", MACOS),
        ),
        r"torch\.(nn\.(modules\..+|utils\.(weight_norm|spectral_norm|prune|rnn|parametrize|parametrizations)"
        r"|parallel\.data_parallel)|optim\..+)",
        r".*\.(_functions|lazy)",
    ),
    Reading(
        "estimators and what they are made of: `BaseEstimator.__setstate__` compares versions, warns and updates"
        " `__dict__`; the few others were read one by one",
        f"{_SKLEARN}/base.py",
        _releases(
            "scikit-learn",
            "0.18.2@3.6",
            "0.19.2@3.6",
            "0.20.4@3.6",
            "0.21.3@3.7",
            "0.22.2.post1@3.8",
            "0.23.2@3.8",
            "0.24.2@3.8",
            "1.0.2@3.9",
            "1.1.3@3.9",
            "1.2.2@3.9",
            "1.3.2",
            "1.4.2",
            "1.5.2",
            "1.6.1",
            "1.7.2",
            "1.9.1@3.12",
        ),
        r"sklearn\..+",
        r".*\b(tests?|externals|conftest|callback|_testing|mocking|_mocking|fixes|parallel|_joblib|_unittest_backport"
        r"|_array_api|_show_versions|_build_utils)\b.*|sklearn\.(datasets\.(?!base|_base).*)",
        functions=r"sklearn\.(feature_selection\.(_univariate_selection|univariate_selection|_mutual_info|mutual_info_)"
        r"|metrics\.(_classification|classification|_regression|regression|_ranking|ranking|pairwise)"
        r"|cluster\.(_kmeans|k_means_)|feature_extraction\.text|preprocessing\.(_function_transformer|_data|data))",
    ),
    Reading(
        "samplers, pipelines and ensembles on top of scikit-learn, with the `__setstate__` of its estimators",
        "imbalanced-learn 0.14.2: imblearn/base.py, imblearn/pipeline.py",
        _releases("imbalanced-learn", "0.14.2@3.12"),
        r"imblearn\..+",
        r".*\b(tests?|tensorflow|keras|utils)\b.*",
    ),
    Reading(
        "sparse matrices: arrays of numbers under the attributes of an ordinary object",
        "https://github.com/scipy/scipy/tree/v1.18.1/scipy/sparse",
        _releases("scipy", "1.2.3@3.7", "1.7.3@3.9", "1.11.4", "1.18.1@3.12"),
        r"scipy\.(sparse\.(_?)(bsr|coo|csc|csr|dia|dok|lil|base|compressed|data|matrix|index)"
        r"|interpolate\.(_?)(bsplines|interpolate))",
    ),
    Reading(
        "arguments of a training run, its state and its enumerations: dataclasses with the `__setstate__` of `object`."
        " Their constructors read files that an argument names, so they may be made empty and not called",
        "https://github.com/huggingface/transformers/tree/v5.23.0/src/transformers/training_args.py",
        _releases("transformers", "4.30.2", "4.40.2", "4.48.3", "4.57.1", "5.23.0"),
        r"transformers\.(training_args|training_args_seq2seq|trainer_utils|trainer_callback|trainer_pt_utils|debug_utils"
        r"|deepspeed|integrations\.deepspeed|utils\.generic|file_utils|utils\.quantization_config|optimization"
        r"|generation\.configuration_utils|configuration_utils|feature_extraction_utils)",
    ),
    Reading(
        "configs, outputs and whole models: objects of torch.nn or dataclasses; `torch.nn.Module.__setstate__` updates"
        " `__dict__`, so that no setter of a property is reached",
        "https://github.com/huggingface/transformers/tree/v5.23.0/src/transformers/modeling_utils.py",
        _releases("transformers", "4.30.2", "4.57.1", "5.23.0"),
        r"transformers\.(activations|pytorch_utils|modeling_utils|modeling_outputs|modeling_layers|modeling_rope_utils"
        r"|generation\.utils|cache_utils|models\.(?!auto\b|deprecated\b)\w+\.(modeling|configuration)_(?!tf_|flax_)\w+)",
        called=frozenset({"transformers.utils.generic.ModelOutput"}),
        functions=r"transformers\.activations",
    ),
    Reading(
        "configs of trl: dataclasses below `TrainingArguments`",
        "https://github.com/huggingface/trl/tree/v1.16.0/trl/trainer",
        _releases("trl", "0.11.4", "0.15.2", "0.24.0", "1.16.0"),
        r"trl\.(trainer\..+_config|experimental\..+_config)",
    ),
    Reading(
        "the state of a distributed run and its settings: dataclasses and enumerations",
        "https://github.com/huggingface/accelerate/tree/v1.15.0/src/accelerate/utils/dataclasses.py",
        _releases("accelerate", "0.20.3", "0.34.2", "1.2.1", "1.15.0"),
        r"accelerate\.(state|utils\.dataclasses)",
    ),
    Reading(
        "callbacks that key a Lightning checkpoint, its enumerations and its dictionary of hyperparameters",
        "https://github.com/Lightning-AI/pytorch-lightning/tree/2.6.6/src/lightning/pytorch/callbacks",
        (
            *_releases("pytorch-lightning", "1.5.10", "1.9.5", "2.0.9", "2.5.5"),
            *_releases("lightning", "2.6.6"),
        ),
        r"(pytorch_lightning|lightning\.pytorch)\.(callbacks\..+|utilities\.(parsing|enums)|trainer\.states)"
        r"|lightning\.fabric\.utilities\.(data|enums)",
        r".*\b(rich_progress|tqdm_progress|progress|rich_model_summary|pruning|weight_averaging)\b.*",
    ),
    Reading(
        "containers and nodes of a config: `__setstate__` updates `__dict__`; an interpolation is resolved by whoever"
        " reads the value, not by loading it",
        "https://github.com/omry/omegaconf/tree/v2.3.0/omegaconf",
        _releases("omegaconf", "2.0.6", "2.1.2", "2.3.0"),
        r"omegaconf\.(base|basecontainer|dictconfig|listconfig|nodes)",
    ),
    Reading(
        "what a model of pyannote says about its task: dataclasses and enumerations",
        "https://github.com/pyannote/pyannote-audio/tree/3.1.1/pyannote/audio/core/task.py",
        _releases("pyannote.audio", "2.1.1", "3.1.1", "4.0.7"),
        r"pyannote\.audio\.core\.(task|model)",
    ),
    Reading(
        "models, blocks and transforms: objects of torch.nn",
        "https://github.com/pytorch/vision/tree/v0.29.1/torchvision/models",
        _releases("torchvision", "0.29.1"),
        r"torchvision\.(models\..+|ops\..+|transforms\.(transforms|_presets|functional))",
        r"torchvision\.models\.(feature_extraction|_api|_utils)",
    ),
    Reading(
        "models and layers: objects of torch.nn",
        "https://github.com/huggingface/pytorch-image-models/tree/v1.0.31/timm",
        _releases("timm", "0.6.13", "0.9.16", "1.0.31"),
        r"timm\.(models|layers)\..+",
        r".*\b(_hub|_builder|_features_fx|_factory|helpers|hub|factory|features)\b.*",
    ),
    Reading(
        "models of YOLO and their layers: objects of torch.nn",
        "https://github.com/ultralytics/ultralytics/tree/v8.4.190/ultralytics/nn",
        _releases("ultralytics", "8.0.200", "8.4.190"),
        r"ultralytics\.(nn\.(tasks|modules\..+)|utils\.(loss|tal))",
    ),
    Reading(
        "a dictionary that refuses changes once it is made",
        "https://github.com/huggingface/diffusers/tree/v0.42.1/src/diffusers/configuration_utils.py",
        _releases("diffusers", "0.42.1"),
        r"diffusers\.configuration_utils",
        r"(?!)",
    ),
)

REFUSED: Final[dict[str, str]] = {
    "scipy.stats._distn_infrastructure.rv_generic": "`__setstate__` runs text of its state",
    "sklearn.callback._scoring_monitor.ScoringMonitor": "`__setstate__` opens a listener for other processes",
    "sklearn.utils._array_api._ArrayAPIWrapper": "`__getattr__` reaches the attributes of whatever it holds",
    "transformers.integrations.integration_utils.NeptuneCallback": "`__del__` deletes the folder that its state names",
}
"""Classes inside a reading that do not enter, nor what derives from them, and why."""
