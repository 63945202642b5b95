"""Lossless compressed pixel data: JPEG 2000 by OpenJPEG, JPEG-LS by CharLS."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless


def encapsulated(pixels: npt.NDArray[np.uint16], transfer_syntax: str) -> bytes:
    """Compress one grey frame and wrap it as an encapsulated value (PS3.5 A.4).

    Args:
        pixels: 12 bits in 16, shape (rows, columns).
        transfer_syntax: JPEG 2000 (lossless only) or JPEG-LS lossless.

    Returns:
        The value of Pixel Data: an offset table and one fragment, without the
        sequence delimiter.

    Raises:
        ValueError: Another transfer syntax.
    """
    # Imported here: only who generates studies needs the codecs.
    if transfer_syntax == JPEG2000Lossless:
        from openjpeg.utils import encode_array

        frame = bytes(encode_array(pixels, bits_stored=12, photometric_interpretation=2))
    elif transfer_syntax == JPEGLSLossless:
        from jpeg_ls import (  # type: ignore[import-untyped]
            encode_array as encode_jpeg_ls,
        )

        frame = bytes(encode_jpeg_ls(pixels))
    else:
        raise ValueError(f"no encoder for transfer syntax {transfer_syntax}")
    return encapsulate([frame])
