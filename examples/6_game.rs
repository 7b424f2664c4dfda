//! A game's world on the toolkit: it ticks 20 times a second, and each player sees all of it.
//!
//! A message is a length of two bytes (the most significant first) and a body. A player sends steps, `[dx, dy]` as two signed
//! bytes; each tick the world moves, and every player gets it: 4 bytes of the tick's number, then 8 bytes a player (its
//! number, four bytes; x and y, two bytes each). A player that does not keep up misses old worlds, not the last one.
//!
//! `cargo run -p wharf-examples --example game`. A line on its standard input, or the end of it, stops it.

use std::{collections::BTreeMap, error::Error, sync::Mutex, time::Duration};

use wharf_examples::lock;
use wharf_server::{
    Client, Clients, Ended, Handler, Result, Server, SlowReader, Tick,
    codec::{ByteOrder, LengthPrefixed},
};

const FRAMES: LengthPrefixed = LengthPrefixed::u16(ByteOrder::BigEndian);

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let server = Server::builder()
        .listen(wharf_examples::address("--listen", "127.0.0.1:21006")?.into())
        .frame_bytes_max(64)
        .clients_max(500)
        .tick(Duration::from_millis(50))
        .slow_reader(SlowReader::DropOldest)
        .unsent_max(2)
        .start(World::default())?;
    wharf_examples::run(server);
    Ok(())
}

/// Where each player is, and where its last step leads, by its number.
#[derive(Default)]
struct World(Mutex<BTreeMap<u64, Player>>);

#[derive(Default)]
struct Player {
    place: [i16; 2],
    step: [i8; 2],
}

impl Handler for World {
    type Session = ();
    type Codec = LengthPrefixed;
    type Message = ();

    fn codec(&self) -> LengthPrefixed {
        FRAMES
    }

    fn connected(&self, client: &Client) -> Result {
        lock(&self.0).insert(client.id(), Player::default());
        Ok(())
    }

    fn received(&self, client: &Client, (): &mut (), frame: &[u8]) -> Result {
        let step = <[u8; 2]>::try_from(frame).map_err(|_| "a step has two bytes")?;
        if let Some(player) = lock(&self.0).get_mut(&client.id()) {
            player.step = step.map(|byte| byte as i8);
        }
        Ok(())
    }

    fn tick(&self, clients: &Clients, tick: Tick) {
        let mut world = (tick.number as u32).to_be_bytes().to_vec();
        for (number, player) in lock(&self.0).iter_mut() {
            world.extend((*number as u32).to_be_bytes());
            let step = std::mem::take(&mut player.step);
            for (place, step) in player.place.iter_mut().zip(step) {
                *place = place.wrapping_add(step.into());
                world.extend(place.to_be_bytes());
            }
        }
        if let Ok(frame) = FRAMES.frame(&world) {
            clients.broadcast(frame);
        }
    }

    fn disconnected(&self, client: &Client, (): &mut (), _: &Ended) {
        lock(&self.0).remove(&client.id());
    }
}
