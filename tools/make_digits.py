"""Makes ``initcore/data/digits.npz``: the bundled digits, from scikit-learn's copy of the UCI test set.

    python tools/make_digits.py [OUTPUT]

The file holds two uint8 arrays in the original order: ``images (1797, 64)`` with values 0..16 and
``labels (1797,)``. It is written member by member with a fixed date, so that every run gives the same bytes
(for one version of zlib). Needs scikit-learn; nothing at run time does.
"""

import io
import sys
import zipfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

TARGET = Path(__file__).resolve().parent.parent / "initcore" / "data" / "digits.npz"


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """An .npz whose bytes depend on the arrays only (np.savez stamps the time of day)."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, member.getvalue(), compresslevel=9)


def main() -> None:
    """Read, check and write the digits."""
    pixels, labels = load_digits(return_X_y=True)
    images = pixels.astype(np.uint8)
    if images.shape != (1797, 64) or images.max() != 16 or not np.array_equal(images, pixels):
        raise SystemExit("these are not the 1797 digits of 8 x 8 pixels with values 0..16")
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    write_npz(path, {"images": images, "labels": labels.astype(np.uint8)})
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
