//! Setting up a server in one expression.

use std::{net::SocketAddr, time::Duration};

use ipnet::IpNet;
use wharf::DriverChoice;

use crate::{Handler, Server, Settings, StartError};

/// Starts a [`Server`] with other than the default [`Settings`]. See [`Server::builder`].
#[derive(Debug, Clone, Default)]
#[must_use = "nothing is started before `start`"]
pub struct ServerBuilder {
    settings: Settings,
}

impl From<Settings> for ServerBuilder {
    /// Starts from settings that the program has, read from a file for example.
    fn from(settings: Settings) -> Self {
        ServerBuilder { settings }
    }
}

/// A method for each of the settings.
macro_rules! setters {
    ($($name:ident: $type:ty,)*) => {
        impl ServerBuilder {
            $(
                #[doc = concat!("Sets [`Settings::", stringify!($name), "`].")]
                pub fn $name(mut self, $name: $type) -> Self {
                    self.settings.$name = $name;
                    self
                }
            )*
        }
    };
}

setters! {
    listen: SocketAddr,
    workers: usize,
    workers_max: usize,
    concurrency: usize,
    driver: DriverChoice,
    buffer_bytes: usize,
    buffers_bytes_max: usize,
    buffers_per_client: usize,
    clients_max: usize,
    clients_per_address_max: usize,
    exempt_addresses: Vec<IpNet>,
    backlog: u32,
    unsent_bytes_max: usize,
}

impl ServerBuilder {
    /// Sets [`Settings::idle_timeout`].
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.idle_timeout = timeout.into();
        self
    }

    /// Sets [`Settings::stall_timeout`].
    pub fn stall_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.stall_timeout = timeout.into();
        self
    }

    /// Starts the server. When this returns, clients can connect.
    ///
    /// # Errors
    /// As for [`Server::start`].
    pub fn start(self, handler: impl Handler) -> Result<Server, StartError> {
        Server::start(&self.settings, handler)
    }
}
