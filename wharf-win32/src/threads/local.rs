pub(super) fn end_of_thread(_n: u32) {}
