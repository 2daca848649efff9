"""Tier 4: what an attack uses, with what it does. The verdict is that of an unknown name; only the wording is better.

Sources: the documentation and the source of each, and the advisories of scanners (GHSA, CVE), by which many of the
names became known. A module stands for all of its names; with `.*` for the modules below it as well.
"""

from typing import Final

from tools.pickle_globals.groups import Danger

_PYTHON: Final = "https://docs.python.org/3/library"

DANGERS: Final = (
    Danger(
        "runs a command",
        f"{_PYTHON}/subprocess.html, {_PYTHON}/os.html#process-management, CPython Lib/*.py; GHSA-r8g5-cgf2-4m4m"
        " and its kin (distutils), GHSA-g38g-8gr9-h9xp (uuid, _osx_support, _aix_support, imaplib, _pyrepl.pager),"
        " GHSA-hgrh-qx5j-jfwx (pty), GHSA-5cxw-w2xg-2m8h (platform), GHSA-m6fh-58r7-x697 (_posixsubprocess)",
        "_aix_support _osx_support _posixsubprocess _winapi antigravity commands distutils.spawn"
        " ensurepip.* nt os pip.* pipes"
        " popen2 posix pty subprocess.* test.support.script_helper venv.* webbrowser",
        {
            "_pyrepl.pager": "pipe_pager tempfile_pager",
            "asyncio": "create_subprocess_exec create_subprocess_shell",
            "asyncio.base_events": "BaseEventLoop",
            "asyncio.subprocess": "create_subprocess_exec create_subprocess_shell",
            "asyncio.unix_events": "DefaultEventLoopPolicy SelectorEventLoop _UnixSelectorEventLoop"
            " _UnixSubprocessTransport",
            "ctypes.util": "_findLib_gcc _findLib_ld _get_soname find_library",
            "distutils.command.config": "config",
            "distutils.util": "byte_compile",
            "imaplib": "IMAP4_stream",
            "mailcap": "findmatch",
            "numpy.distutils.exec_command": "exec_command filepath_from_subprocess_output",
            "platform": "_syscmd_file _syscmd_ver architecture popen processor",
            "pydoc": "pipe_pager pipepager tempfile_pager tempfilepager",
            "torch._inductor.codecache": "CppCodeCache compile_file",
            "torch.utils.collect_env": "get_pip_packages get_pretty_env_info run run_and_parse_first_match"
            " run_and_read_all",
            "torch.utils.cpp_extension": "_run_ninja_build check_compiler_abi_compatibility load load_inline"
            " verify_ninja_availability",
            "uuid": "_get_command_stdout _ifconfig_getter _ip_getter _arp_getter _lanscan_getter _netstat_getter",
        },
    ),
    Danger(
        "runs code",
        f"{_PYTHON}/functions.html, {_PYTHON}/runpy.html, {_PYTHON}/timeit.html, {_PYTHON}/profile.html;"
        " GHSA-9w88-8rmg-7g2p"
        " (cProfile), GHSA-x696-vm39-cp64 (profile), GHSA-g344-hcph-8vgg (trace), GHSA-cj3c-v495-4xqh (code),"
        "GHSA-fqq6-7vqf-w3fg (doctest), GHSA-m869-42cg-3xwr (idlelib), GHSA-f54q-57x4-jg88 (lib2to3),"
        " GHSA-4r9r-ch6f-vxmx"
        " (torch.utils.bottleneck), GHSA-fj43-3qmq-673f (numpy), CVE-2024-34359 (jinja2); scipy 1.11.4:"
        " stats/_distn_infrastructure.py, rv_generic.__setstate__ runs text of its state",
        "_pyrepl _pyrepl.console _pyrepl.main _pyrepl.simple_interact _testcapi _xxsubinterpreters bdb"
        " cProfile code codeop"
        "concurrent.interpreters doctest idlelib.* interpreters lib2to3.* pdb profile runpy"
        " scipy.stats._continuous_distns scipy.stats._discrete_distns scipy.stats._distn_infrastructure"
        " test.* timeit trace torch.utils.bottleneck.* unittest.*",
        {
            "IPython": "embed start_ipython",
            "IPython.core.interactiveshell": "InteractiveShell",
            "_interpreters": "call create exec run_func run_string",
            "_testinternalcapi": "run_in_subinterp_with_config",
            "aiohttp.web": "run_app",
            "bpython": "embed",
            "builtins": "compile eval exec execfile",
            "dataclasses": "_create_fn make_dataclass",
            "invoke.runners": "Local",
            "jinja2": "Environment Template",
            "jinja2.environment": "Environment Template TemplateExpression",
            "jinja2.nativetypes": "NativeEnvironment NativeTemplate",
            "jinja2.sandbox": "SandboxedEnvironment",
            "keras.layers": "Lambda",
            "keras.src.layers.core.lambda_layer": "Lambda",
            "mako.template": "Template",
            "numexpr": "evaluate",
            "numpy.f2py.crackfortran": "_eval_length _eval_scalar eval_length getlincoef myeval param_eval",
            "numpy.testing": "runstring rundocs",
            "numpy.testing._private.utils": "measure rundocs runstring",
            "pandas": "eval",
            "pandas.core.computation.eval": "eval",
            "pyspark.serializers": "_hijack_namedtuple",
            "smolagents.local_python_executor": "evaluate_python_code",
            "sympy": "lambdify parse_expr sympify",
            "sympy.core.sympify": "sympify",
            "sympy.parsing.sympy_parser": "eval_expr parse_expr",
            "sympy.utilities.lambdify": "lambdify",
            "tensorflow.python.keras.layers.core": "Lambda",
            "torch._dynamo.guards": "CheckFunctionManager GuardBuilder",
            "torch.fx": "GraphModule",
            "torch.fx.experimental.symbolic_shapes": "ShapeEnv",
            "torch.fx.graph_module": "GraphModule _deserialize_graph_module _exec_with_source _forward_from_src"
            " reduce_graph_module"
            " reduce_package_graph_module",
            "torch.jit.frontend": "get_jit_def",
            "torch.jit.unsupported_tensor_ops": "execWrapper",
            "torch.package.package_importer": "PackageImporter",
            "torch.testing._internal.common_utils": "run_tests shell",
            "torch.utils._config_module": "ConfigModule",
            "torch.utils.data.datapipes.utils.decoder": "basichandlers",
            "torch.hub": "load",
            "torch.jit": "load",
            "torch.jit._serialization": "load",
            "transformers.dynamic_module_utils": "get_class_from_dynamic_module get_class_in_module",
            "yaml": "full_load full_load_all load load_all unsafe_load unsafe_load_all",
            "yaml.constructor": "Constructor FullConstructor UnsafeConstructor",
            "yaml.loader": "FullLoader Loader UnsafeLoader",
        },
    ),
    Danger(
        "loads a second pickle",
        f"{_PYTHON}/pickle.html, {_PYTHON}/shelve.html, {_PYTHON}/marshal.html and the loaders named;"
        " torch/storage.py,"
        " _load_from_bytes; GHSA-565g-hwwr-4pp3 (marshal)",
        "_pickle cPickle cloudpickle.* dill.* joblib.memory klepto.* marshal pickle pickle5.* shelve",
        {
            "compress_pickle": "load loads",
            "distributed.protocol.pickle": "loads",
            "gensim.utils": "unpickle",
            "jax.experimental.serialize_executable": "deserialize_and_load",
            "joblib": "Memory load",
            "joblib.numpy_pickle": "NumpyUnpickler _unpickle load load_temporary_memmap",
            "joblib.numpy_pickle_compat": "ZipNumpyUnpickler load_compatibility",
            "jsonpickle": "decode",
            "jsonpickle.unpickler": "Unpickler decode loadclass",
            "lightning.fabric.utilities.cloud_io": "_load",
            "lightning.pytorch.core.saving": "_load_from_checkpoint",
            "mlflow.pyfunc": "load_model",
            "mlflow.sklearn": "load_model",
            "multiprocessing.reduction": "ForkingPickler loads",
            "networkx": "read_gpickle",
            "nltk.data": "load",
            "numpy": "load",
            "numpy.lib._npyio_impl": "NpzFile load",
            "numpy.lib.format": "read_array",
            "numpy.lib.npyio": "NpzFile load",
            "pandas": "HDFStore read_hdf read_pickle",
            "pandas.compat.pickle_compat": "Unpickler load loads",
            "pandas.io.pickle": "read_pickle",
            "pandas.io.pytables": "HDFStore read_hdf",
            "pytorch_lightning.core.saving": "load_from_checkpoint",
            "pytorch_lightning.utilities.cloud_io": "load",
            "sklearn.externals.joblib": "load",
            "sklearn.externals.joblib.numpy_pickle": "load",
            "skops.io": "load loads",
            "srsly": "pickle_loads",
            "srsly.cloudpickle": "loads",
            "statsmodels.iolib.smpickle": "load_pickle",
            "torch": "load",
            "torch._inductor.codecache": "FxGraphCache",
            "torch.distributed.distributed_c10d": "_object_to_tensor _tensor_to_object broadcast_object_list",
            "torch.distributed.rpc.internal": "_InternalRPCPickler",
            "torch.hub": "load_state_dict_from_url",
            "torch.package": "PackageImporter",
            "torch.serialization": "_legacy_load _load load",
            "torch.storage": "_load_from_bytes",
            "torch.utils.model_zoo": "load_url",
        },
    ),
    Danger(
        "imports a module",
        f"{_PYTHON}/importlib.html, {_PYTHON}/pkgutil.html; GHSA-vvpj-8cmc-gx39 (pkgutil.resolve_name),"
        " GHSA-84r2-jw7c-4r5q"
        " (pydoc.locate); numpy/_core/__init__.py, _ufunc_reconstruct",
        "_frozen_importlib _frozen_importlib_external _imp imp importlib.* modulefinder pkgutil zipimport",
        {
            "_pytest.pathlib": "import_path",
            "builtins": "__import__",
            "celery.utils.imports": "import_from_cwd symbol_by_name",
            "django.utils.module_loading": "import_string",
            "hydra._internal.utils": "_locate",
            "hydra.utils": "call get_class get_method get_object instantiate",
            "logging.config": "BaseConfigurator DictConfigurator _resolve dictConfig fileConfig listen",
            "mmcv.utils": "import_modules_from_strings",
            "numpy._core": "_ufunc_reconstruct",
            "numpy.core": "_ufunc_reconstruct",
            "omegaconf._utils": "_get_class get_yaml_loader",
            "pkg_resources": "EntryPoint load_entry_point",
            "pydoc": "ErrorDuringImport importfile locate resolve safeimport",
            "pyro.util": "import_module",
            "setuptools._imp": "find_module",
            "tensorflow.python.util.lazy_loader": "LazyLoader",
            "torch._dynamo.utils": "import_submodule",
            "transformers.utils.import_utils": "_LazyModule direct_transformers_import",
            "trl.import_utils": "_LazyModule",
            "werkzeug.utils": "import_string",
            "xgboost.compat": "LazyLoader",
        },
    ),
    Danger(
        "reaches attributes of anything",
        f"{_PYTHON}/functions.html#getattr, {_PYTHON}/operator.html; GHSA-955r-x9j8-7rhh (operator),"
        " GHSA-5j3x-jp52-966f",
        "",
        {
            "_operator": "attrgetter methodcaller",
            "builtins": "delattr getattr globals hasattr locals setattr vars",
            "inspect": "getattr_static getclosurevars getmembers getmodule stack trace currentframe",
            "operator": "attrgetter methodcaller",
        },
    ),
    Danger(
        "calls what it is given",
        f"{_PYTHON}/functions.html#map, {_PYTHON}/functools.html, {_PYTHON}/itertools.html, {_PYTHON}/operator.html",
        "",
        {
            "_functools": "reduce",
            "_operator": "call",
            "builtins": "filter iter map max min next sorted",
            "concurrent.futures.thread": "_WorkItem",
            "contextlib": "ExitStack contextmanager",
            "functools": "cached_property partialmethod reduce singledispatch update_wrapper wraps",
            "itertools": "accumulate dropwhile filterfalse groupby starmap takewhile",
            "joblib.parallel": "BatchedCalls Parallel",
            "joblib._parallel_backends": "SafeFunction",
            "operator": "call",
            "torch._dynamo.external_utils": "call_hook",
            "torch.nn.parallel.parallel_apply": "parallel_apply",
            "torch.utils.checkpoint": "checkpoint",
            "weakref": "finalize",
        },
    ),
    Danger(
        "makes code objects and functions",
        f"{_PYTHON}/types.html; GHSA-9m3x-qqw2-h32h (types.CodeType, cloudpickle)",
        "cloudpickle.cloudpickle cloudpickle.cloudpickle_fast dill._dill",
        {
            "joblib.externals.cloudpickle": "loads",
            "joblib.externals.cloudpickle.cloudpickle": "_builtin_type _fill_function _make_cell _make_function"
            " _make_skel_func"
            " _make_skeleton_class subimport",
            "new": "classobj code function instancemethod",
            "types": "CodeType FunctionType LambdaType MethodType ModuleType coroutine new_class",
        },
    ),
    Danger(
        "loads native code",
        f"{_PYTHON}/ctypes.html; GHSA-4675-36f9-wf6r (ctypes)",
        "_ctypes cffi.* ctypes.* win32api",
        {
            "numpy.ctypeslib": "load_library",
            "numpy.ctypeslib._ctypeslib": "load_library",
            "tensorflow": "load_library load_op_library",
            "torch._ops": "_Ops",
            "torch.classes": "load_library",
            "torch.ops": "load_library",
        },
    ),
    Danger(
        "frees or reads memory at an address that its state names",
        "lightgbm 4.7.0: basic.py, Dataset.__del__, _InnerPredictor.__del__; xgboost 1.7.6: core.py, DMatrix.__del__",
        "",
        {
            "lightgbm.basic": "Dataset _InnerPredictor",
            "xgboost.core": "DMatrix DeviceQuantileDMatrix QuantileDMatrix _ProxyDMatrix",
        },
    ),
    Danger(
        "opens files",
        f"{_PYTHON}/functions.html#open, {_PYTHON}/io.html; GHSA-9726-w42j-3qjr (_io.FileIO)",
        "",
        {
            "_io": "FileIO open open_code",
            "builtins": "open",
            "bz2": "BZ2File open",
            "codecs": "open",
            "gzip": "GzipFile open",
            "io": "FileIO OpenWrapper open open_code",
            "lzma": "LZMAFile open",
            "tarfile": "TarFile open",
            "zipfile": "Path ZipFile",
            "zipfile._path": "Path",
        },
    ),
    Danger(
        "reads files",
        f"{_PYTHON}/functions.html#open, {_PYTHON}/io.html; GHSA-9726-w42j-3qjr (_io.FileIO),"
        " GHSA-r48f-3986-4f9c (linecache)",
        "filecmp fileinput glob linecache netrc tokenize",
        {
            "PIL.Image": "open",
            "json.tool": "main",
            "mmap": "mmap",
            "numpy": "fromfile genfromtxt loadtxt",
            "numpy.lib._npyio_impl": "genfromtxt loadtxt",
            "numpy.lib.npyio": "genfromtxt loadtxt",
            "pandas": "read_csv read_excel read_feather read_json read_parquet read_sql read_table read_xml",
            "pandas.io.json._json": "read_json",
            "pandas.io.parsers": "read_csv",
            "pandas.io.parsers.readers": "read_csv",
            "safetensors.torch": "load_file",
            "safetensors": "safe_open",
            "torch": "from_file",
            "torch.serialization": "_open_file _open_file_like _open_zipfile_reader",
            "TTS.tts.models.vits": "FairseqVocab",
            "zoneinfo": "ZoneInfo",
        },
    ),
    Danger(
        "writes files",
        f"{_PYTHON}/io.html, {_PYTHON}/logging.handlers.html; GHSA-m7j5-r2p5-c39r (logging.FileHandler),"
        " GHSA-m273-6v24-x4m4"
        " (distutils.file_util)",
        "compileall dbm.* distutils.* py_compile setuptools.* sqlite3.* tempfile",
        {
            "_sqlite3": "connect",
            "_tkinter": "create",
            "logging": "FileHandler basicConfig",
            "logging.handlers": "BaseRotatingHandler RotatingFileHandler TimedRotatingFileHandler WatchedFileHandler",
            "numpy": "save savetxt savez savez_compressed",
            "safetensors.torch": "save_file",
            "torch": "save",
            "torch.serialization": "_open_zipfile_writer_file save",
            "torch.utils.tensorboard.writer": "SummaryWriter",
            "ultralytics.utils": "JSONDict SettingsManager YAML",
        },
    ),
    Danger(
        "deletes or moves files",
        f"{_PYTHON}/shutil.html; transformers 5.23.0: integrations/integration_utils.py, NeptuneCallback.__del__",
        "shutil",
        {
            "transformers.integrations": "NeptuneCallback",
            "transformers.integrations.integration_utils": "NeptuneCallback",
        },
    ),
    Danger(
        "opens network connections",
        f"{_PYTHON}/internet.html; GHSA-9726-w42j-3qjr (urllib.request)",
        "_socket _ssl aiohttp boto3 botocore.* cgitb fabric.* ftplib http.client http.server httplib httpx"
        "imaplib nntplib paramiko.* poplib pycurl requests.* smtpd smtplib socket socketserver ssl"
        " telnetlib torch.distributed.rpc.*"
        " urllib urllib.request urllib.robotparser urllib2 urllib3.* websocket websockets.* wsgiref.*"
        " xmlrpc.*",
        {
            "azure.storage.blob": "BlobClient",
            "datasets": "load_dataset",
            "fsspec": "open",
            "fsspec.core": "open url_to_fs",
            "gdown": "download",
            "gradio": "Interface",
            "gradio.external": "load",
            "huggingface_hub": "hf_hub_download snapshot_download",
            "huggingface_hub.file_download": "hf_hub_download http_get",
            "huggingface_hub._snapshot_download": "snapshot_download",
            "logging.handlers": "DatagramHandler HTTPHandler SMTPHandler SocketHandler SysLogHandler",
            "nltk": "download",
            "nltk.downloader": "Downloader download",
            "openai": "OpenAI",
            "pandas.io.common": "get_handle urlopen",
            "redis": "Redis from_url",
            "sklearn.datasets": "fetch_openml fetch_20newsgroups",
            "smart_open": "open",
            "torch.distributed": "TCPStore init_process_group",
            "torch.hub": "download_url_to_file",
            "torchvision.datasets.utils": "download_url",
            "transformers": "pipeline",
            "transformers.pipelines": "pipeline",
            "transformers.utils.hub": "cached_file cached_files",
            "wandb": "init",
        },
    ),
    Danger(
        "starts processes or threads",
        f"{_PYTHON}/multiprocessing.html, {_PYTHON}/threading.html; GHSA-q5qq-mvfm-j35x (multiprocessing)",
        "_multiprocessing _thread _threading_local asyncio.* concurrent.futures.* loky.* multiprocess.*"
        " multiprocessing.*"
        " ray.* thread threading",
        {
            "joblib": "Parallel",
            "sklearn.callback._scoring_monitor": "ScoringMonitor",
            "torch.multiprocessing": "spawn start_processes",
            "torch.multiprocessing.spawn": "spawn start_processes",
            "torch.utils.data.dataloader": "DataLoader _MultiProcessingDataLoaderIter",
        },
    ),
    Danger(
        "changes the interpreter",
        f"{_PYTHON}/sys.html, {_PYTHON}/python.html; GHSA-m6fh-58r7-x697 (site, atexit), GHSA-mhc9-48gj-9gp3 (signal)",
        "__main__ _atexit _signal atexit faulthandler gc resource signal site sitecustomize sys sysconfig tracemalloc"
        " usercustomize warnings",
        {
            "_codecs": "register register_error",
            "builtins": "breakpoint copyright credits exit help license quit",
            "codecs": "register register_error",
            "copyreg": "add_extension clear_extension_cache constructor dispatch_table pickle remove_extension",
            "locale": "setlocale",
            "numpy": "seterrcall set_printoptions setbufsize",
            "torch": "set_default_device set_default_dtype set_default_tensor_type set_num_threads"
            " use_deterministic_algorithms",
            "torch.serialization": "add_safe_globals register_package set_default_load_endianness",
        },
    ),
    Danger(
        "reads the machine's registry, accounts or keys",
        f"{_PYTHON}/unix.html, {_PYTHON}/windows.html",
        "crypt grp keyring keyring.* msilib msvcrt nis pwd spwd syslog termios tty winreg",
        {},
    ),
)
