//! Ctrl-C.

use std::io;

/// Waits for the next Ctrl-C (`SIGINT`), on Windows for Ctrl-Break and the closing of the console as well. From the first call on
/// the signal does not end the process any more, also while nothing waits for it.
///
/// # Errors
/// The system's: it lets no handler be set, or has no descriptors.
///
/// # Panics
/// The thread works for no runtime.
pub async fn ctrl_c() -> io::Result<()> {
    wait().await
}

/// Each call has a pair of sockets: the handler writes to one, and the port receives from the other.
#[cfg(unix)]
async fn wait() -> io::Result<()> {
    use std::os::unix::net::UnixStream;

    use signal_hook::{consts::SIGINT, low_level};

    /// Takes the handler back when the future ends or is dropped.
    struct Registered(signal_hook::SigId);

    impl Drop for Registered {
        fn drop(&mut self) {
            low_level::unregister(self.0);
        }
    }

    let (receives, sends) = UnixStream::pair()?;
    sends.set_nonblocking(true)?;
    let _registered = Registered(low_level::pipe::register(SIGINT, sends)?);
    crate::net::receive_one(receives).await
}

/// The handler runs on a thread of the system's, and wakes all that wait.
#[cfg(windows)]
async fn wait() -> io::Result<()> {
    use std::{
        future::poll_fn,
        mem,
        sync::{Mutex, MutexGuard, PoisonError},
        task::{Poll, Waker},
    };

    struct Signals {
        is_watching: bool,
        count: u64,
        wakers: Vec<Waker>,
    }

    static SIGNALS: Mutex<Signals> = Mutex::new(Signals {
        is_watching: false,
        count: 0,
        wakers: Vec::new(),
    });

    fn signals() -> MutexGuard<'static, Signals> {
        SIGNALS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signalled() {
        let wakers = {
            let mut signals = signals();
            signals.count += 1;
            mem::take(&mut signals.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    let before = {
        let mut signals = signals();
        if !signals.is_watching {
            ctrlc::set_handler(signalled).map_err(io::Error::other)?;
            signals.is_watching = true;
        }
        signals.count
    };
    poll_fn(|context| {
        let mut signals = signals();
        if signals.count > before {
            return Poll::Ready(());
        }
        signals
            .wakers
            .retain(|waker| !waker.will_wake(context.waker()));
        signals.wakers.push(context.waker().clone());
        Poll::Pending
    })
    .await;
    Ok(())
}
