"""Files that need a package of their own: a hint that names the extra, or the picture."""

import io
import sys

import numpy as np
import pytest
from PIL import Image, features

from dip_jax.app.errors import UserError
from dip_jax.app.files.pictures import read_picture

HEIC = b"\0\0\0\x1cftypheic\0\0\0\0mif1heic"
HINTS = {
    "a phone's": ("phone.HEIC", HEIC, "pillow_heif", r"HEIC picture.*'dip-jax\[heic\]'"),
    "under another name": ("a.jpg", HEIC, "pillow_heif", r"'dip-jax\[heic\]'"),
    "raw": ("a.dng", b"II*\0" + bytes(30), "rawpy", r"raw file.*'dip-jax\[raw\]'"),
    "fits": ("a.fits", b"SIMPLE  =" + bytes(90), "astropy.io.fits", r"FITS.*'dip-jax\[fits\]'"),
    "hdf5": ("a.h5", b"\x89HDF\r\n\x1a\n" + bytes(90), "h5py", r"HDF5.*'dip-jax\[hdf5\]'"),
    "matlab": ("a.mat", b"MATLAB 7.3" + bytes(90), "h5py", r"MATLAB 7\.3.*'dip-jax\[hdf5\]'"),
    "jxl": ("a.jxl", b"\xff\x0a" + bytes(30), "pillow_jxl", r"JPEG XL.*'dip-jax\[jxl\]'"),
}


@pytest.mark.parametrize("case", HINTS)
def test_hints_name_the_extra(case, tmp_path, monkeypatch):
    name, data, package, hint = HINTS[case]
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(UserError, match=hint) as caught:
        read_picture(path)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_avif(tmp_path):
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (200, 100, 50)).save(buffer, "AVIF", quality=100)
    path, data = tmp_path / "a.avif", buffer.getvalue()
    path.write_bytes(data)
    image = read_picture(path).image
    np.testing.assert_allclose(image[8, 8] * 255, [200, 100, 50], atol=3)
    at = data.index(b"av1C") + 6
    path.write_bytes(data[:at] + bytes([data[at] | 0x40]) + data[at + 1 :])
    with pytest.raises(UserError, match="10 bits a channel, which would be cut to 8"):
        read_picture(path)
