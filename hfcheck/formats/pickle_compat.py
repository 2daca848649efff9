"""The names of Python 2 and what Python 3 imports for them: `_compat_pickle` of CPython 3.11, copied.

A scan must not depend on the Python that runs it. What differs elsewhere: `exceptions.WindowsError` is mapped on
Windows alone, and 3.13 has dropped `Tix` from the table along with the module.
"""

_EXCEPTIONS = """
    ArithmeticError AssertionError AttributeError BaseException BufferError BytesWarning DeprecationWarning
    EOFError EnvironmentError Exception FloatingPointError FutureWarning GeneratorExit IOError ImportError
    ImportWarning IndentationError IndexError KeyError KeyboardInterrupt LookupError MemoryError NameError
    NotImplementedError OSError OverflowError PendingDeprecationWarning ReferenceError RuntimeError
    RuntimeWarning StopIteration SyntaxError SyntaxWarning SystemError SystemExit TabError TypeError
    UnboundLocalError UnicodeDecodeError UnicodeEncodeError UnicodeError UnicodeTranslateError UnicodeWarning
    UserWarning ValueError Warning ZeroDivisionError
"""
_MULTIPROCESSING_EXCEPTIONS = "AuthenticationError BufferTooShort ProcessError TimeoutError"

IMPORTS: dict[str, str] = {
    "BaseHTTPServer": "http.server",
    "CGIHTTPServer": "http.server",
    "ConfigParser": "configparser",
    "Cookie": "http.cookies",
    "Dialog": "tkinter.dialog",
    "DocXMLRPCServer": "xmlrpc.server",
    "FileDialog": "tkinter.filedialog",
    "HTMLParser": "html.parser",
    "Queue": "queue",
    "ScrolledText": "tkinter.scrolledtext",
    "SimpleDialog": "tkinter.simpledialog",
    "SimpleHTTPServer": "http.server",
    "SimpleXMLRPCServer": "xmlrpc.server",
    "SocketServer": "socketserver",
    "StringIO": "io",
    "Tix": "tkinter.tix",
    "Tkconstants": "tkinter.constants",
    "Tkdnd": "tkinter.dnd",
    "Tkinter": "tkinter",
    "UserDict": "collections",
    "UserList": "collections",
    "UserString": "collections",
    "__builtin__": "builtins",
    "_abcoll": "collections.abc",
    "_elementtree": "xml.etree.ElementTree",
    "_winreg": "winreg",
    "anydbm": "dbm",
    "cPickle": "pickle",
    "cStringIO": "io",
    "commands": "subprocess",
    "cookielib": "http.cookiejar",
    "copy_reg": "copyreg",
    "dbhash": "dbm.bsd",
    "dbm": "dbm.ndbm",
    "dumbdbm": "dbm.dumb",
    "dummy_thread": "_dummy_thread",
    "gdbm": "dbm.gnu",
    "htmlentitydefs": "html.entities",
    "httplib": "http.client",
    "markupbase": "_markupbase",
    "repr": "reprlib",
    "robotparser": "urllib.robotparser",
    "test.test_support": "test.support",
    "thread": "_thread",
    "tkColorChooser": "tkinter.colorchooser",
    "tkCommonDialog": "tkinter.commondialog",
    "tkFileDialog": "tkinter.filedialog",
    "tkFont": "tkinter.font",
    "tkMessageBox": "tkinter.messagebox",
    "tkSimpleDialog": "tkinter.simpledialog",
    "ttk": "tkinter.ttk",
    "urllib2": "urllib.request",
    "urlparse": "urllib.parse",
    "whichdb": "dbm",
    "xmlrpclib": "xmlrpc.client",
}
"""Modules that have moved: any name of the left is looked for in the right."""

NAMES: dict[tuple[str, str], tuple[str, str]] = {
    ("UserDict", "IterableUserDict"): ("collections", "UserDict"),
    ("UserDict", "UserDict"): ("collections", "UserDict"),
    ("UserList", "UserList"): ("collections", "UserList"),
    ("UserString", "UserString"): ("collections", "UserString"),
    ("__builtin__", "basestring"): ("builtins", "str"),
    ("__builtin__", "intern"): ("sys", "intern"),
    ("__builtin__", "long"): ("builtins", "int"),
    ("__builtin__", "reduce"): ("functools", "reduce"),
    ("__builtin__", "unichr"): ("builtins", "chr"),
    ("__builtin__", "unicode"): ("builtins", "str"),
    ("__builtin__", "xrange"): ("builtins", "range"),
    ("_multiprocessing", "Connection"): ("multiprocessing.connection", "Connection"),
    ("_socket", "fromfd"): ("socket", "fromfd"),
    ("exceptions", "StandardError"): ("builtins", "Exception"),
    ("itertools", "ifilter"): ("builtins", "filter"),
    ("itertools", "ifilterfalse"): ("itertools", "filterfalse"),
    ("itertools", "imap"): ("builtins", "map"),
    ("itertools", "izip"): ("builtins", "zip"),
    ("itertools", "izip_longest"): ("itertools", "zip_longest"),
    ("multiprocessing.forking", "Popen"): ("multiprocessing.popen_fork", "Popen"),
    ("multiprocessing.process", "Process"): ("multiprocessing.context", "Process"),
    ("socket", "_socketobject"): ("socket", "SocketType"),
    ("urllib", "ContentTooShortError"): ("urllib.error", "ContentTooShortError"),
    ("urllib", "getproxies"): ("urllib.request", "getproxies"),
    ("urllib", "pathname2url"): ("urllib.request", "pathname2url"),
    ("urllib", "quote"): ("urllib.parse", "quote"),
    ("urllib", "quote_plus"): ("urllib.parse", "quote_plus"),
    ("urllib", "unquote"): ("urllib.parse", "unquote"),
    ("urllib", "unquote_plus"): ("urllib.parse", "unquote_plus"),
    ("urllib", "url2pathname"): ("urllib.request", "url2pathname"),
    ("urllib", "urlcleanup"): ("urllib.request", "urlcleanup"),
    ("urllib", "urlencode"): ("urllib.parse", "urlencode"),
    ("urllib", "urlopen"): ("urllib.request", "urlopen"),
    ("urllib", "urlretrieve"): ("urllib.request", "urlretrieve"),
    ("urllib2", "HTTPError"): ("urllib.error", "HTTPError"),
    ("urllib2", "URLError"): ("urllib.error", "URLError"),
    ("whichdb", "whichdb"): ("dbm", "whichdb"),
    **{("exceptions", name): ("builtins", name) for name in _EXCEPTIONS.split()},
    **{("multiprocessing", name): ("multiprocessing.context", name) for name in _MULTIPROCESSING_EXCEPTIONS.split()},
}
"""Single names that have moved; they come before the modules."""

TORCH_IMPORTS = frozenset({
    "Queue", "StringIO", "UserDict", "UserList", "UserString", "__builtin__", "_abcoll", "cStringIO", "copy_reg",
    "repr", "whichdb",
})  # fmt: skip
TORCH_NAMES_FROM = frozenset({"UserDict", "UserList", "UserString", "__builtin__", "itertools"})
"""Torch has a copy of its own with fewer rows: of these modules, and of `exceptions` the one name `StandardError`."""


def imported(module: str, name: str) -> tuple[str, str]:
    """What is imported for a name that is written below protocol 3, by an unpickler with `fix_imports`, the default."""
    moved = NAMES.get((module, name))
    if moved is not None:
        return moved
    return IMPORTS.get(module, module), name


def imported_by_torch(module: str, name: str) -> tuple[str, str]:
    """What the weights-only unpickler of torch 2.13 looks up, at every protocol."""
    if module in TORCH_NAMES_FROM or (module, name) == ("exceptions", "StandardError"):
        moved = NAMES.get((module, name))
        if moved is not None:
            return moved
    return (IMPORTS[module] if module in TORCH_IMPORTS else module), name
