//! Groups of clients, by name.
//!
//! The list of the groups has a lock, which is never held while something is sent; each group has another, which is: so one large
//! group holds up no other.

use std::{
    borrow::Borrow,
    collections::{HashMap, HashSet},
    fmt,
    hash::Hash,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        TryLockError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{Client, Outgoing};

/// Members that have gone are looked for after so many have joined, at least.
const JOINS_MIN: usize = 64;

/// Groups of clients, by name: the rooms of a chat, the subscribers of a topic, the players of a match. A handler has them as a field.
///
/// A client may be in several groups. One that is gone is no member any more: nothing has to be removed when it ends. A group
/// without members is not there.
///
/// What is sent to a group is sent from one memory, and while it is sent nothing else is sent to the same group: so all members get
/// messages in the same order. No send waits for its receiver. Meanwhile the group can't be used otherwise: not by the `Drop` of
/// bytes that have an owner of their own, either.
///
/// How many groups a client joins is the handler's to limit: each has memory for its name. A client that is gone may join, and is no
/// member. Where clients are [told](Client::tell) messages of a type, that type is the second one here: `Groups<String, Challenge>`.
///
/// ```
/// use wharf_server::{Client, Groups, Handler, Result, codec::Lines};
///
/// /// Each line goes to all others in the room, which a client changes by `/join ROOM`.
/// #[derive(Default)]
/// struct Chat(Groups<String>);
///
/// impl Handler for Chat {
///     /// The room.
///     type Session = String;
///     type Codec = Lines;
///     type Message = ();
///
///     fn codec(&self) -> Lines {
///         Lines::new()
///     }
///
///     fn connected(&self, client: &Client) -> Result<String> {
///         self.0.join("hall", client);
///         Ok("hall".into())
///     }
///
///     fn received(&self, client: &Client, room: &mut String, line: &str) -> Result {
///         match line.strip_prefix("/join ") {
///             Some(other) => {
///                 self.0.leave(room.as_str(), client);
///                 self.0.join(other, client);
///                 *room = other.into();
///             }
///             None => {
///                 self.0.send_from(room.as_str(), client, format!("{line}\n"));
///             }
///         }
///         Ok(())
///     }
/// }
/// # let builder = wharf_server::Server::builder().listen("127.0.0.1:0".parse().unwrap());
/// # drop(builder.start(Chat::default()).unwrap());
/// ```
pub struct Groups<K, M = ()> {
    groups: RwLock<HashMap<K, Arc<Group<M>>>>,
    /// So many clients have joined since members that have gone were removed.
    joins: AtomicUsize,
    /// They are removed again when more have.
    joins_max: AtomicUsize,
}

/// One group. Locked while something is sent to all of its members.
type Group<M> = Mutex<Members<M>>;

/// The members, some of which may have gone.
struct Members<M> {
    clients: HashSet<Client<M>>,
    /// The group is not in the list any more: another may have its name.
    is_removed: bool,
}

impl<M> Default for Members<M> {
    fn default() -> Self {
        Members {
            clients: HashSet::new(),
            is_removed: false,
        }
    }
}

impl<M> Members<M> {
    /// Those that are not gone.
    fn present(&self) -> impl Iterator<Item = &Client<M>> {
        self.clients
            .iter()
            .filter(|client| client.ended().is_none())
    }
}

impl<K, M> Default for Groups<K, M> {
    fn default() -> Self {
        Groups {
            groups: RwLock::default(),
            joins: AtomicUsize::new(0),
            joins_max: AtomicUsize::new(JOINS_MIN),
        }
    }
}

impl<K, M> fmt::Debug for Groups<K, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Groups")
            .field("len", &self.read().len())
            .finish_non_exhaustive()
    }
}

fn members<M>(group: &Group<M>) -> MutexGuard<'_, Members<M>> {
    group.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K, M> Groups<K, M> {
    fn read(&self) -> RwLockReadGuard<'_, HashMap<K, Arc<Group<M>>>> {
        self.groups.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<K, Arc<Group<M>>>> {
        self.groups.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash, M> Groups<K, M> {
    /// No groups.
    pub fn new() -> Self {
        Groups::default()
    }

    /// The group of this name, if there is one.
    fn get<Q>(&self, name: &Q) -> Option<Arc<Group<M>>>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.read().get(name).cloned()
    }

    /// Adds a client to a group. Returns whether it was not in it.
    pub fn join(&self, group: impl Into<K>, client: &Client<M>) -> bool {
        let is_new = self.add(group.into(), client);
        let is_due = |joins: usize| joins > self.joins_max.load(Ordering::Relaxed);
        // Of several that are due, one does it.
        if is_due(self.joins.fetch_add(1, Ordering::Relaxed) + 1)
            && is_due(self.joins.swap(0, Ordering::Relaxed))
        {
            self.remove_gone();
        }
        is_new
    }

    fn add(&self, name: K, client: &Client<M>) -> bool {
        if let Some(group) = self.get(&name) {
            let mut members = members(&group);
            if !members.is_removed {
                return members.clients.insert(client.clone());
            }
        }
        // It is new, or was removed a moment ago: while the list is locked, none is.
        let mut groups = self.write();
        let group = groups.entry(name).or_default().clone();
        let is_new = members(&group).clients.insert(client.clone());
        drop(groups);
        is_new
    }

    /// Takes a client out of a group. Returns whether it was in it.
    pub fn leave<Q>(&self, group: &Q, client: &Client<M>) -> bool
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let Some(found) = self.get(group) else {
            return false;
        };
        let (was_in, is_empty) = {
            let mut members = members(&found);
            let was_in = members.clients.remove(client);
            (was_in, members.clients.is_empty())
        };
        if is_empty {
            let mut groups = self.write();
            if groups
                .get(group)
                .is_some_and(|it| Self::remove_if_empty(it))
            {
                groups.remove(group);
            }
        }
        was_in
    }

    /// Whether a group is to leave the list, which is locked: another client may have joined meanwhile.
    fn remove_if_empty(group: &Group<M>) -> bool {
        // One that is in use at this moment is looked at the next time.
        let mut members = match group.try_lock() {
            Ok(members) => members,
            Err(TryLockError::Poisoned(members)) => members.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        members.is_removed = members.clients.is_empty();
        members.is_removed
    }

    /// Sends the same to all members of a group, as [`Client::send`] does. A send that is refused concerns its client alone.
    /// Returns to how many it was sent.
    pub fn send<'a, Q>(&self, group: &Q, outgoing: impl Into<Outgoing<'a>>) -> usize
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
        M: Send + 'static,
    {
        self.send_to(group, outgoing.into(), |_| true)
    }

    /// Sends the same to all members of a group but this one, which may be in it or not. As [`send`](Self::send).
    pub fn send_from<'a, Q>(
        &self,
        group: &Q,
        client: &Client<M>,
        outgoing: impl Into<Outgoing<'a>>,
    ) -> usize
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
        M: Send + 'static,
    {
        self.send_to(group, outgoing.into(), |member| member != client)
    }

    fn send_to<Q>(
        &self,
        group: &Q,
        outgoing: Outgoing<'_>,
        is_meant: impl Fn(&Client<M>) -> bool,
    ) -> usize
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
        M: Send + 'static,
    {
        let Some(group) = self.get(group) else {
            return 0;
        };
        // Before the lock: it may have an owner whose drop is code of the program's.
        let shared = outgoing.into_bytes();
        let members = members(&group);
        let meant = members.clients.iter().filter(|member| is_meant(member));
        meant.filter(|member| member.send(&shared).is_ok()).count()
    }

    /// The members of a group at this moment.
    pub fn clients<Q>(&self, group: &Q) -> Vec<Client<M>>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.get(group).map_or_else(Vec::new, |group| {
            members(&group).present().cloned().collect()
        })
    }

    /// The names of the groups that have members at this moment, in no order.
    pub fn names(&self) -> Vec<K>
    where
        K: Clone,
    {
        let groups: Vec<(K, Arc<Group<M>>)> = {
            let groups = self.read();
            let pairs = groups.iter();
            pairs
                .map(|(name, group)| (name.clone(), group.clone()))
                .collect()
        };
        groups
            .into_iter()
            .filter(|(_, group)| members(group).present().next().is_some())
            .map(|(name, _)| name)
            .collect()
    }

    /// Removes the members that are gone, and the groups that have no other. As often as so many have joined as there were members
    /// the last time, so that it costs little for each, and no more are kept than twice as many as there were then.
    #[cold]
    fn remove_gone(&self) {
        let all: Vec<Arc<Group<M>>> = self.read().values().cloned().collect();
        let mut left = 0;
        for group in all {
            let mut members = members(&group);
            members.clients.retain(|client| client.ended().is_none());
            left += members.clients.len();
        }
        self.write()
            .retain(|_, group| !Self::remove_if_empty(group));
        self.joins_max.store(left.max(JOINS_MIN), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{SocketAddr, TcpStream},
        sync::{Arc, mpsc},
        time::Duration,
    };

    use super::*;
    use crate::{Ended, Handler, Result, Server, codec::Raw};

    /// Each client is in a group of its own.
    struct Loners {
        groups: Arc<Groups<u64>>,
        gone: Mutex<mpsc::Sender<()>>,
    }

    impl Handler for Loners {
        type Session = ();
        type Codec = Raw;
        type Message = ();

        fn codec(&self) -> Raw {
            Raw
        }

        fn connected(&self, client: &Client) -> Result {
            self.groups.join(client.id(), client);
            Ok(())
        }

        fn received(&self, _: &Client, (): &mut (), _: wharf::Buffer) -> Result {
            Ok(())
        }

        fn disconnected(&self, _: &Client, (): &mut (), _: &Ended) {
            let gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = gone.send(());
        }
    }

    #[test]
    fn clients_that_have_gone_do_not_pile_up() {
        let groups = Arc::<Groups<u64>>::default();
        let (sender, gone) = mpsc::channel();
        let loners = Loners {
            groups: groups.clone(),
            gone: Mutex::new(sender),
        };
        let builder = Server::builder().listen(SocketAddr::from(([127, 0, 0, 1], 0)).into());
        let server = builder.start(loners).expect("it starts");
        for _ in 0..3 * JOINS_MIN {
            drop(TcpStream::connect(server.local_addr()).expect("it listens"));
            gone.recv_timeout(Duration::from_secs(20))
                .expect("the client goes");
            assert!(groups.read().len() <= JOINS_MIN + 2);
        }
        assert!(groups.names().is_empty());
        server.stop(Duration::from_secs(10));
    }
}
