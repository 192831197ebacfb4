"""Flush-to-zero arithmetic for MXNet's threads (x86-64).

Adam's running means of weights whose gradient has died out decay by 0.9 a step, until they are
denormal floats (below 1e-38). A CPU computes with these up to a hundred times slower, so that an
epoch of the dense VAE takes 9 s at first and 36 s after a few thousand steps. Treating denormals
as zero changes no digit of a result and keeps the 9 s. PyTorch has `set_flush_denormal` for it;
MXNet has nothing, but a thread inherits the floating-point mode of the thread that starts it.
"""

import contextlib
import ctypes
import ctypes.util

FLUSH_TO_ZERO = 0x8000  # bits of the MXCSR register, Intel SDM vol. 1, section 10.2.3
DENORMALS_ARE_ZERO = 0x0040
MXCSR = 7  # its word in the C library's fenv_t, after 28 bytes of x87 state


@contextlib.contextmanager
def flushed_to_zero():
    """While it lasts, this thread and each thread that it starts treat denormals as zero."""
    libm = ctypes.CDLL(ctypes.util.find_library('m') or 'libm.so.6')
    before, flushing = (ctypes.c_uint32 * 8)(), (ctypes.c_uint32 * 8)()
    libm.fegetenv(before)
    libm.fegetenv(flushing)
    flushing[MXCSR] |= FLUSH_TO_ZERO | DENORMALS_ARE_ZERO
    libm.fesetenv(flushing)
    try:
        yield
    finally:
        libm.fesetenv(before)
