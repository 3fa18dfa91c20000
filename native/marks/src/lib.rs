//! Marks memory as secret or public for valgrind's memcheck.
//!
//! A secret is marked as not initialised: memcheck follows every value computed from it and
//! reports each branch and each address that depends on one. Outside valgrind, and on other
//! machines than x86-64, the marks do nothing. Test only: no other crate needs this one unless
//! its feature `marks` is on.

/// memcheck's requests: its letters, then the number of the request.
const UNDEFINED: u64 = ((b'M' as u64) << 24 | (b'C' as u64) << 16) + 1;
const DEFINED: u64 = UNDEFINED + 1;

/// From here on the bytes are secret.
pub fn secret<T>(data: &[T]) {
    request(UNDEFINED, data);
}

/// From here on the bytes are public.
pub fn public<T>(data: &[T]) {
    request(DEFINED, data);
}

#[cfg(target_arch = "x86_64")]
fn request<T>(number: u64, data: &[T]) {
    let arguments = [number, data.as_ptr() as u64, size_of_val(data) as u64, 0, 0, 0];
    // SAFETY: valgrind's documented instruction sequence. Run natively it turns rdi by 128 bits
    // in all and exchanges rbx with itself, which changes nothing; under valgrind it reads the
    // six arguments and puts its answer into rdx.
    unsafe {
        std::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") arguments.as_ptr(),
            inout("rdx") 0u64 => _,
            options(nostack),
        );
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn request<T>(_: u64, _: &[T]) {}
