//! A descriptor that was lent to one thread is given back by another.
use wharf::DescriptorReserve;

pub fn lend(reserve: &DescriptorReserve) {
    let lent = reserve.lend();
    std::thread::scope(|threads| {
        threads.spawn(move || drop(lent)); //~ E0277: cannot be sent between threads safely
        //= threads.spawn(|| drop(reserve.lend()));
    });
}
