"""Benign files of NumPy, SciPy, pandas, joblib and scikit-learn."""

# ruff: noqa: E501 - tables

import datetime as dt
import importlib
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from shelf import Shelf, shelf  # type: ignore[import-not-found,unused-ignore] # pyright: ignore[reportMissingImports]

joblib: Any = importlib.import_module("joblib")
sparse: Any = importlib.import_module("scipy.sparse")
ESTIMATORS = """
linear_model LogisticRegression | linear_model Ridge | linear_model SGDClassifier | linear_model LinearRegression
ensemble RandomForestClassifier n_estimators=5 | ensemble GradientBoostingClassifier n_estimators=5
ensemble HistGradientBoostingClassifier max_iter=5 | ensemble IsolationForest n_estimators=5 | ensemble AdaBoostClassifier n_estimators=3
tree DecisionTreeClassifier | svm SVC | svm LinearSVC | neighbors KNeighborsClassifier | neighbors KernelDensity
neural_network MLPClassifier max_iter=5 | naive_bayes GaussianNB | cluster KMeans n_clusters=2 | cluster DBSCAN
decomposition PCA | preprocessing StandardScaler | preprocessing MinMaxScaler | preprocessing OneHotEncoder
gaussian_process GaussianProcessClassifier | discriminant_analysis LinearDiscriminantAnalysis | mixture GaussianMixture
"""


def main() -> None:
    place = shelf()
    _numpy(place)
    _joblib(place)
    _estimators(place)
    if place.source == "sklearn-1.5":
        _frames(place)


def _saver(value: Any, **options: Any) -> Callable[[Path], object]:  # noqa: ANN401
    def save(path: Path) -> None:
        with path.open("wb") as stream:
            np.save(stream, value, **options)

    return save


def _numpy(place: Shelf) -> None:
    random = np.random.default_rng(1)
    numbers = random.normal(size=(6, 5))
    arrays: dict[str, Any] = {
        "float64": numbers,
        "float16": numbers.astype(np.float16),
        "int8": numbers.astype(np.int8),
        "bool": numbers > 0,
        "complex": numbers.astype(np.complex64),
        "fortran": np.asfortranarray(numbers),
        "big-endian": numbers.astype(">f8"),
        "text": np.array(["a", "word"]),
        "dates": np.array(["2026-01-01"], "datetime64[D]"),
        "structured": np.array([(1, 2.5)], [("a", "<i4"), ("b", "<f8")]),
        "scalar": np.float64(1.5),
        "empty": np.zeros((0, 3)),
        "object-strings": np.array(["a", "bb", None], dtype=object),
        "object-lists": np.array([[1], [2, 3]], dtype=object),
    }
    for name, value in arrays.items():
        place.put("npy", f"{name}-npy", "array.npy", _saver(value))
    for name in ("float64", "structured", "object-strings", "dates", "big-endian"):
        for protocol in (2, 4, 5):
            data = pickle.dumps({"x": arrays[name], "n": np.int64(3)}, protocol)
            place.bytes("npy", f"{name}-pickle-p{protocol}", "array.pkl", data)
    place.put("npy", "npz", "arrays.npz", lambda path: np.savez(path, a=numbers, b=arrays["text"]))
    place.put("npy", "npz-compressed", "arrays.npz", lambda path: np.savez_compressed(path, a=numbers, b=numbers > 0))
    place.put("npy", "npz-objects", "arrays.npz", lambda path: np.savez(path, a=arrays["object-strings"]))
    masked = np.ma.masked_array(numbers, numbers > 0)
    place.bytes("npy", "masked", "masked.pkl", pickle.dumps(masked, 4))
    place.bytes("npy", "random-state", "rng.pkl", pickle.dumps(np.random.RandomState(3), 4))
    place.bytes("npy", "random-generator", "rng.pkl", pickle.dumps(np.random.default_rng(3), 4))
    place.bytes("npy", "dtype", "dtype.pkl", pickle.dumps([np.dtype("f4"), np.float32, np.bool_(1)], 4))
    matrix = sparse.random(20, 20, 0.2, "csr", random_state=1)
    place.put("npy", "sparse-npz", "matrix.npz", lambda path: sparse.save_npz(path, matrix))
    for form in ("csr", "csc", "coo", "lil", "dok"):
        place.bytes("npy", f"sparse-{form}", "matrix.pkl", pickle.dumps(matrix.asformat(form), 4))


def _joblib(place: Shelf) -> None:
    value = {
        "a": np.arange(500.0),
        "b": [np.full(64, 46, np.uint8)],
        "c": "text",
        "d": np.array(["x", None], dtype=object),
    }
    codecs: dict[str, tuple[str, Any]] = {
        "plain": ("joblib", 0),
        "zlib": ("joblib.z", ("zlib", 3)),
        "gzip": ("joblib.gz", ("gzip", 3)),
        "bz2": ("joblib.bz2", ("bz2", 3)),
        "xz": ("joblib.xz", ("xz", 3)),
        "lzma": ("joblib.lzma", ("lzma", 3)),
        "lz4": ("joblib.lz4", ("lz4", 3)),
        "level-9": ("pkl", 9),
    }
    for name, (suffix, codec) in codecs.items():
        write = partial(joblib.dump, value, compress=codec)
        place.put("sklearn_joblib", f"arrays-{name}", f"data.{suffix}", write)
    for protocol in (2, 4, 5):
        write = partial(joblib.dump, value, protocol=protocol)
        place.put("sklearn_joblib", f"arrays-p{protocol}", "data.joblib", write)
    place.put("sklearn_joblib", "fortran", "data.joblib", partial(joblib.dump, np.asfortranarray(np.ones((9, 7)))))
    dates = [dt.date(2026, 1, 1), np.zeros(0), np.float32(1)]
    place.put("sklearn_joblib", "mixed", "data.joblib", partial(joblib.dump, dates))


def _fitted(module: str, name: str, options: dict[str, int]) -> Any:  # noqa: ANN401
    kind = getattr(importlib.import_module(f"sklearn.{module}"), name)
    random = np.random.default_rng(1)
    data = random.normal(size=(40, 3))
    return kind(**options).fit(data, (data[:, 0] > 0).astype(int))


def _estimators(place: Shelf) -> None:
    for entry in ESTIMATORS.replace("\n", "|").split("|"):
        if not entry.strip():
            continue
        module, name, *options = entry.split()
        chosen = {key: int(number) for key, number in (option.split("=") for option in options)}
        fitted = _fitted(module, name, chosen)
        place.put("sklearn_joblib", name, "model.joblib", partial(joblib.dump, fitted))
        if name in ("RandomForestClassifier", "LogisticRegression", "SVC", "StandardScaler"):
            place.bytes("sklearn_joblib", f"{name}-pickle", "model.pkl", pickle.dumps(fitted, 4))
            place.put(
                "sklearn_joblib", f"{name}-xz", "model.joblib.xz", partial(joblib.dump, fitted, compress=("xz", 3))
            )
    _composed(place)


def _composed(place: Shelf) -> None:
    text: Any = importlib.import_module("sklearn.feature_extraction.text")
    make_pipeline = importlib.import_module("sklearn.pipeline").make_pipeline
    linear: Any = importlib.import_module("sklearn.linear_model")
    scaler = importlib.import_module("sklearn.preprocessing").StandardScaler
    search = importlib.import_module("sklearn.model_selection").GridSearchCV
    words = ["a small text", "another text", "more words here", "and more"]
    labels = [0, 1, 0, 1]
    data = np.random.default_rng(1).normal(size=(20, 3))
    target = (data[:, 0] > 0).astype(int)
    made = {
        "tfidf": text.TfidfVectorizer().fit(words),
        "count": text.CountVectorizer().fit(words),
        "text-pipeline": make_pipeline(text.TfidfVectorizer(), linear.LogisticRegression()).fit(words, labels),
        "pipeline": make_pipeline(scaler(), linear.LogisticRegression()).fit(data, target),
        "grid-search": search(linear.LogisticRegression(), {"C": [1, 2]}, cv=2).fit(data, target),
    }
    for name, value in made.items():
        place.put("sklearn_joblib", name, "model.joblib", partial(joblib.dump, value))


def _frames(place: Shelf) -> None:
    pandas: Any = importlib.import_module("pandas")
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": pandas.to_datetime(["2026-01-01", "2026-01-02"])})
    place.put("sklearn_joblib", "pandas-frame", "frame.pkl", frame.to_pickle)


if __name__ == "__main__":
    main()
