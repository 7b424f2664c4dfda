//! A descriptor that was lent outlives what it goes back to.
use wharf::DescriptorReserve;

pub fn lend(reserve: DescriptorReserve) {
    let lent = reserve.lend();
    drop(reserve); //~ E0505
    //= reserve.close();
    drop(lent);
}
