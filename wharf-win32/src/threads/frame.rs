//! The frame that a thread's function runs in, and can leave from anywhere.
//!
//! Windows ends a thread (`ExitThread`, `_endthreadex`) where it stands: no destructor of an object on its stack runs. With glibc's
//! `pthread_exit` they would, by way of an exception that a `catch (...)` of the program's must not swallow; programs written for
//! Windows do not know that. So the function is called through a few lines of assembly that remember the stack, and an end
//! returns from there: the thread then ends as one does whose function has returned.

#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    ".pushsection .text.wharf_w32_frame,\"ax\",@progbits",
    ".p2align 4",
    ".hidden wharf_w32_enter",
    ".globl wharf_w32_enter",
    ".type wharf_w32_enter,@function",
    // (function, argument, where to remember the stack) -> what the function returns, or is left with
    "wharf_w32_enter:",
    ".cfi_startproc",
    // The outermost frame: an exception that nobody catches ends there, with its own message.
    ".cfi_undefined rip",
    "push rbp",
    "push rbx",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "sub rsp, 8",
    "mov [rdx], rsp",
    "mov rax, rdi",
    "mov rdi, rsi",
    "call rax",
    "2:",
    "add rsp, 8",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbx",
    "pop rbp",
    "ret",
    ".cfi_endproc",
    ".size wharf_w32_enter, . - wharf_w32_enter",
    ".hidden wharf_w32_leave",
    ".globl wharf_w32_leave",
    ".type wharf_w32_leave,@function",
    // (the stack as remembered, what is returned)
    "wharf_w32_leave:",
    "mov rsp, rdi",
    "mov rax, rsi",
    "jmp 2b",
    ".size wharf_w32_leave, . - wharf_w32_leave",
    ".popsection",
);

#[cfg(target_arch = "aarch64")]
std::arch::global_asm!(
    ".pushsection .text.wharf_w32_frame,\"ax\",@progbits",
    ".p2align 4",
    ".hidden wharf_w32_enter",
    ".globl wharf_w32_enter",
    ".type wharf_w32_enter,@function",
    "wharf_w32_enter:",
    ".cfi_startproc",
    ".cfi_undefined x30",
    "stp x29, x30, [sp, #-160]!",
    "stp x19, x20, [sp, #16]",
    "stp x21, x22, [sp, #32]",
    "stp x23, x24, [sp, #48]",
    "stp x25, x26, [sp, #64]",
    "stp x27, x28, [sp, #80]",
    "stp d8, d9, [sp, #96]",
    "stp d10, d11, [sp, #112]",
    "stp d12, d13, [sp, #128]",
    "stp d14, d15, [sp, #144]",
    "mov x9, sp",
    "str x9, [x2]",
    "mov x9, x0",
    "mov x0, x1",
    "blr x9",
    "2:",
    "ldp x19, x20, [sp, #16]",
    "ldp x21, x22, [sp, #32]",
    "ldp x23, x24, [sp, #48]",
    "ldp x25, x26, [sp, #64]",
    "ldp x27, x28, [sp, #80]",
    "ldp d8, d9, [sp, #96]",
    "ldp d10, d11, [sp, #112]",
    "ldp d12, d13, [sp, #128]",
    "ldp d14, d15, [sp, #144]",
    "ldp x29, x30, [sp], #160",
    "ret",
    ".cfi_endproc",
    ".size wharf_w32_enter, . - wharf_w32_enter",
    ".hidden wharf_w32_leave",
    ".globl wharf_w32_leave",
    ".type wharf_w32_leave,@function",
    "wharf_w32_leave:",
    "mov sp, x0",
    "mov x0, x1",
    "b 2b",
    ".size wharf_w32_leave, . - wharf_w32_leave",
    ".popsection",
);

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("write the frame of a thread's function for this processor");

/// A thread's function. What it returns may be narrower: then the upper part is noise.
pub(super) type Function = unsafe extern "C-unwind" fn(*mut ()) -> usize;

/// One that takes any argument that is right for it.
pub(crate) type SafeFunction = extern "C-unwind" fn(*mut ()) -> usize;

unsafe extern "C-unwind" {
    fn wharf_w32_enter(function: Function, argument: *mut (), stack: *mut usize) -> usize;
    fn wharf_w32_leave(stack: usize, result: usize) -> !;
}

/// Calls the function. Returns what it returns, or what it is [left](leave) with.
///
/// # Safety
/// The function may be called with this argument. `stack` can be written.
pub(super) unsafe fn enter(function: Function, argument: *mut (), stack: *mut usize) -> usize {
    // SAFETY: passed on to the caller; the assembly keeps what a called function has to keep.
    unsafe { wharf_w32_enter(function, argument, stack) }
}

/// Leaves the function that [`enter`] has called in this thread: that returns the result. Nothing on the stack is dropped.
///
/// # Safety
/// `stack` is what `enter` wrote, in the same thread, and has not returned.
pub(super) unsafe fn leave(stack: usize, result: usize) -> ! {
    // SAFETY: passed on to the caller.
    unsafe { wharf_w32_leave(stack, result) }
}
