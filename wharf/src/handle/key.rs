//! What a key has to be.

/// What handles are associated under: it comes back with each completion of the handle. Any type that is [`Clone`], `Send`, `Sync`
/// and `'static` is a key; this trait is implemented for all of them, and there is nothing in it to implement.
///
/// Each completion has a clone of the key, made on the thread that takes the completion. So a key is best small, or a pointer: a
/// number, or an `Arc` of what is known about a client. An `Arc` is also the way to have a key of a type that is not `Clone`.
///
/// A function for ports of any kind of key names it as its bound:
///
/// ```
/// use wharf::{CompletionPort, Key, Wait};
///
/// /// How many completions are waiting.
/// fn count<K: Key>(port: &CompletionPort<K>) -> std::io::Result<usize> {
///     let mut count = 0;
///     while let Wait::Completed(_) = port.wait(std::time::Duration::ZERO)? {
///         count += 1;
///     }
///     Ok(count)
/// }
///
/// /// It is not `Clone`.
/// struct Client { name: String }
///
/// # fn main() -> std::io::Result<()> {
/// let port = CompletionPort::new(1)?;
/// port.post(std::sync::Arc::new(Client { name: "one".to_owned() }), 0)?;
/// assert_eq!(count(&port)?, 1);
/// # Ok(())
/// # }
/// ```
// Methods that ports are made with, associated and posted to have the bound themselves, not their `impl`: else the compiler
// answers a key that is none without these words.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the key of a completion port",
    label = "a key has to be `Clone + Send + Sync + 'static`",
    note = "each completion has a clone of its key, made on whichever thread takes it",
    note = "if it is only not `Clone`, use an `Arc`: `Arc<{Self}>`",
    note = "if threads can't share it, as `Rc` and `Cell`, use what they can: `Arc`, `Mutex`, an atomic"
)]
pub trait Key: Clone + Send + Sync + 'static {}

impl<K: Clone + Send + Sync + 'static> Key for K {}
