//! Placeholder: see `mod.rs`.
pub(crate) fn set(_handle: usize) -> bool {
    false
}
pub(crate) fn reset(_handle: usize) -> bool {
    false
}
/// Placeholder of the real one.
#[unsafe(no_mangle)]
pub extern "C" fn CloseHandle(handle: usize) -> i32 {
    i32::from(crate::handle::close(handle) || crate::socket::close(handle))
}
