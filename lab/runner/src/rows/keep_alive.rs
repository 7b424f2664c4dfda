//! Row 19: what a keep-alive connection costs that waits for its next request.

use std::{io, path::Path};

use serde_json::Value;

use super::{
    from_value,
    http::{Answer, THREADS_MAX, tell_unbuilt},
    idle::{Exchange, Figures, measure_all},
    to_value,
};
use crate::{
    Lab,
    contestants::{Role, http::TOKIO},
};

const HELLO: Exchange = Exchange {
    request: b"GET /hello HTTP/1.1\r\nhost: lab\r\n\r\n",
    read_answer: |client| match Answer::read(client)? {
        Answer { status: 200, body } if body == b"hello" => Ok(()),
        other => Err(io::Error::other(format!("a wrong answer: {other:?}"))),
    },
};

pub fn measure(lab: &Lab) -> Result<Value, String> {
    let servers = lab.http(&[Role::Floor, Role::Wharf])?.into_iter();
    let commands =
        servers.map(|contestant| (contestant.name, contestant.http_command(1, THREADS_MAX)));
    to_value(measure_all(commands, &HELLO)?)
}

pub fn tell(figures: &Value, _: &Path) -> Result<String, String> {
    let figures: Figures = from_value(figures)?;
    Ok(format!(
        "As row 3, with axum: each connection has asked for `/hello` once and has been idle since.\n\n{}{}",
        figures.tell(TOKIO, "axum's on tokio"),
        tell_unbuilt(figures.servers.iter().map(|idle| &idle.name))
    ))
}
