//! The manual of the toolkit: [a server in an afternoon](afternoon), step by step, and the [patterns] session, broadcast,
//! tick and stop; and [outgoing connections](dialling). The manual of the port itself is `wharf::manual`.

pub mod afternoon;
pub mod dialling;
pub mod patterns;
