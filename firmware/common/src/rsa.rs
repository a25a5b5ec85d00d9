//! The order in which Mbed TLS takes memory to verify an RSA signature.
//!
//! Its `mbedtls_mpi_exp_mod_unsafe` takes its working memory first (1.3 KB for RSA-2048) and computes R² mod N afterwards, a
//! division that takes as much again for a moment: with a long chain of the server's that moment is the peak of the heap. And it
//! keeps R² with each key, of which a handshake uses each once. Here R² is computed first, with Mbed TLS's own functions
//! and in the same way, and given back afterwards; everything else is Mbed TLS's. The linker puts this in between
//! (`--wrap`, in the `build.rs` of each program); without that nothing calls it.
//!
//! Only the numbers of public keys go through it. It takes no time that Mbed TLS would not take once for each key.

use core::ffi::c_int;
use core::mem::MaybeUninit;

use mbedtls_rs::sys::{
    mbedtls_mpi, mbedtls_mpi_free, mbedtls_mpi_init, mbedtls_mpi_lset, mbedtls_mpi_mod_mpi,
    mbedtls_mpi_shift_l, mbedtls_mpi_shrink,
};

unsafe extern "C" {
    fn __real_mbedtls_mpi_exp_mod_unsafe(
        x: *mut mbedtls_mpi,
        a: *const mbedtls_mpi,
        e: *const mbedtls_mpi,
        n: *const mbedtls_mpi,
        prec_rr: *mut mbedtls_mpi,
    ) -> c_int;
}

/// X = A ^ E mod N.
///
/// # Safety
/// As for Mbed TLS's function: initialised numbers, and `prec_rr` may be null.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_mbedtls_mpi_exp_mod_unsafe(
    x: *mut mbedtls_mpi,
    a: *const mbedtls_mpi,
    e: *const mbedtls_mpi,
    n: *const mbedtls_mpi,
    prec_rr: *mut mbedtls_mpi,
) -> c_int {
    // SAFETY: the caller's promise, and a number that is initialised before and freed after.
    unsafe {
        let known = prec_rr
            .as_ref()
            .is_some_and(|known| !known.private_p.is_null());
        if known {
            return __real_mbedtls_mpi_exp_mod_unsafe(x, a, e, n, prec_rr);
        }
        let mut square = MaybeUninit::uninit();
        mbedtls_mpi_init(square.as_mut_ptr());
        let failed = square_of_r(square.as_mut_ptr(), n);
        let result = match failed {
            0 => __real_mbedtls_mpi_exp_mod_unsafe(x, a, e, n, square.as_mut_ptr()),
            failed => failed,
        };
        mbedtls_mpi_free(square.as_mut_ptr());
        result
    }
}

/// R² mod N, R being the power of 2 above N's limbs.
///
/// # Safety
/// Both are initialised numbers.
unsafe fn square_of_r(square: *mut mbedtls_mpi, n: *const mbedtls_mpi) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        let limbs = usize::from((*n).private_n);
        let bits = limbs.saturating_mul(2).saturating_mul(usize::BITS as usize);
        let mut failed = mbedtls_mpi_lset(square, 1);
        if failed == 0 {
            failed = mbedtls_mpi_shift_l(square, bits);
        }
        if failed == 0 {
            failed = mbedtls_mpi_mod_mpi(square, square, n);
        }
        if failed == 0 {
            failed = mbedtls_mpi_shrink(square, limbs);
        }
        failed
    }
}
