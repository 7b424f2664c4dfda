//! The length of a buffer is set past what was written, and past its capacity.
use wharf::Buffer;

pub fn lengthen(buffer: &mut Buffer) {
    buffer.len = 1_000_000; //~ E0616
    //= buffer.set_len(1);
}
