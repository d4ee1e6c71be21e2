"""Datasets of HDF5 and matrices of MATLAB come back with their values, names and axes."""

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from dip_jax.app.errors import UserError
from dip_jax.app.files.pictures import ORIGIN, read_picture, write_picture

RNG = np.random.default_rng(0)
ARRAYS = {
    "uint8": RNG.integers(0, 256, (12, 20, 3)).astype(np.uint8),
    "uint16": RNG.integers(0, 65536, (12, 20)).astype(np.uint16),
    "counts": RNG.integers(0, 900, (12, 20)).astype(np.int32),
    "float": RNG.random((12, 20)).astype(np.float32),
    "double": RNG.standard_normal((12, 20)),
    "bands": RNG.random((12, 20, 9)),
    "four bands": RNG.random((12, 20, 4)),
}


@pytest.fixture(scope="module")
def h5py():
    return pytest.importorskip("h5py", reason="h5py is not installed")


def check(stored, again):
    assert again.dtype.name == stored.dtype.name
    assert again.shape == stored.shape
    np.testing.assert_allclose(again, stored, atol=2e-6 * np.ptp(stored))


@pytest.mark.parametrize("name", ARRAYS)
def test_datasets_come_back(h5py, name, tmp_path):
    first, second, stored = tmp_path / "a.h5", tmp_path / "b.hdf5", ARRAYS[name]
    with h5py.File(first, "w") as file:
        made = file.create_dataset("entry/data/counts", data=stored)
        made.attrs["units"], made.attrs["pixel_size"] = "photons", [0.1, 0.1]
        made.attrs["axis"] = made.ref
        file["entry/title"] = "a title"
        file["entry/data/x"] = np.arange(20)
    picture = read_picture(first)
    assert picture.image.shape[:2] == (12, 20)
    assert picture.alpha is None
    assert not write_picture(second, picture.image, None, picture.origin)
    with h5py.File(second) as file:
        check(stored, file["entry/data/counts"][()])
        assert file["entry/data/counts"].attrs["units"] == "photons"
        assert file["entry/data/counts"].attrs["pixel_size"].tolist() == [0.1, 0.1]
        assert "axis" not in file["entry/data/counts"].attrs


def test_one_of_several_datasets(h5py, tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for i, name in enumerate(["a/raw", "a/dark", "b"]):
            file[name] = np.full((12, 20), i / 4)
    picture = read_picture(path)
    assert "has 3 arrays: a/dark is taken" in picture.remarks[0]
    for page in ("a/raw", "/a/raw", 2):
        assert (read_picture(path, page=page).image == 0).all()
    assert (read_picture(path, page="b").image == 0.5).all()
    with pytest.raises(UserError, match="has no array c; choose --page from a/dark, a/raw, b"):
        read_picture(path, page="c")


def test_what_holds_no_picture_is_refused(h5py, tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(20)
        file["t"] = "text"
    with pytest.raises(UserError, match="holds no array of two dimensions"):
        read_picture(path)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (100000, 100000), "f4", chunks=(64, 64))
    with pytest.raises(UserError, match="64 megapixels"):
        read_picture(path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UserError, match="is damaged or cut short") as caught:
        read_picture(path)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["a.h5", "a.mat"])
def test_values_in_other_files_are_refused(h5py, name, tmp_path):
    path, other = tmp_path / name, tmp_path / "other.raw"
    other.write_bytes(bytes(12 * 20))
    with h5py.File(tmp_path / "source.h5", "w") as file:
        file["x"] = np.zeros((12, 20), np.uint8)
    layout = h5py.VirtualLayout((12, 20), np.uint8)
    layout[:] = h5py.VirtualSource(tmp_path / "source.h5", "x", (12, 20))

    def write(make):
        with h5py.File(path, "w", userblock_size=512 if name == "a.mat" else 0) as file:
            make(file)
        if name == "a.mat":
            with path.open("r+b") as file:
                file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM")

    whole = [(str(other), 0, h5py.h5f.UNLIMITED)]
    for make in (
        lambda file: file.create_dataset("x", (12, 20), np.uint8, external=whole),
        lambda file: file.create_virtual_dataset("x", layout),
    ):
        write(make)
        with pytest.raises(UserError, match="keeps the values of x in other files"):
            read_picture(path)
    write(lambda file: file.update({"x": h5py.ExternalLink("source.h5", "x")}))
    for page in (None, "x"):
        with pytest.raises(UserError, match="holds no array of two dimensions"):
            read_picture(path, page=page)


def test_names_that_matlab_does_not_know(tmp_path):
    image = RNG.random((12, 20, 1), np.float32)
    for given, written in {"entry/data/counts": "counts", "2x": "image", "_a": "image"}.items():
        origin = ORIGIN._replace(encoding={"name": given})
        write_picture(tmp_path / "a.mat", image, None, origin)
        assert loadmat(tmp_path / "a.mat")[written].dtype == np.uint8


@pytest.mark.parametrize("name", ARRAYS)
def test_matrices_come_back(name, tmp_path):
    first, second, stored = tmp_path / "a.mat", tmp_path / "b.mat", ARRAYS[name]
    savemat(first, {"label": "text", "n": 3.0, "cells": np.array([[1, "a"]], object), "I": stored})
    picture = read_picture(first)
    assert picture.image.shape[:2] == (12, 20)
    assert not write_picture(second, picture.image, None, picture.origin)
    check(stored, loadmat(second)["I"])


def test_matlab_7_3(h5py, tmp_path):
    path, stored = tmp_path / "a.mat", ARRAYS["uint8"]
    with h5py.File(path, "w", userblock_size=512) as file:
        file["I"] = stored.T
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM")
    picture = read_picture(path)
    np.testing.assert_array_equal(np.rint(255 * picture.image), stored)
    write_picture(tmp_path / "b.mat", picture.image, None, picture.origin)
    check(stored, loadmat(tmp_path / "b.mat")["I"])


def test_one_of_several_matrices(tmp_path):
    path = tmp_path / "a.mat"
    savemat(path, {"a": np.zeros((12, 20)), "b": np.ones((12, 20))})
    assert "has 2 arrays: a is taken" in read_picture(path).remarks[0]
    assert (read_picture(path, page="b").image == 1).all()
    savemat(path, {"z": np.ones((12, 20)) * 1j})
    with pytest.raises(UserError, match="holds complex values"):
        read_picture(path)
    savemat(path, {"n": 3.0})
    with pytest.raises(UserError, match="holds no array of two dimensions"):
        read_picture(path)
    path.write_bytes(b"nothing")
    with pytest.raises(UserError, match="is damaged or cut short"):
        read_picture(path)
