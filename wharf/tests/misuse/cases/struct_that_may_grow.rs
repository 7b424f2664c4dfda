//! A struct that may grow is made of its fields of today.
use wharf::Refused;

pub fn refuse(error: std::io::Error) -> Refused<u8> {
    Refused { error, given: 1, context: None } //~ E0639
    //= Refused::new(error, 1)
}
