//! The manual of the toolkit: [a server in an afternoon](afternoon), step by step, and the [patterns] session, broadcast,
//! tick and stop. The manual of the port itself is `wharf::manual`.

pub mod afternoon;
pub mod patterns;
