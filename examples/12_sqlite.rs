//! A synchronous database right in the handlers of axum: a guestbook in SQLite.
//!
//! `cargo run -p wharf-examples --example sqlite`, then `curl --data 'I was here' http://127.0.0.1:21012/notes`.
//!
//! Each call of SQLite blocks its thread: it waits for the lock, for the disk, or for another program that has the file. On other
//! runtimes each has to be marked (`spawn_blocking`), or it halts all that its thread serves. Here nothing is marked: a handler that
//! blocks holds its thread, and another goes on. It costs that thread; and where all that run block, the others wait until the port has
//! noticed, 0.1 to some milliseconds. As many handlers may block at once as `threads` has room for: so those that wait for the one
//! connection wait for an async lock, which costs no thread.

use std::{collections::BTreeMap, error::Error, io, path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, State},
    http::StatusCode,
    routing::get,
};
use clap::Parser;
use rusqlite::Connection;
use tokio::sync::Mutex;
use wharf_async::{Runtime, net::TcpListener};

/// The most bytes of a note: a longer one is refused (413). And the most notes of an answer.
const NOTE_BYTES_MAX: usize = 1_000;
const NOTES_MAX: u32 = 100;

#[derive(Parser)]
struct Arguments {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:21012")]
    listen: String,

    /// The file of the database [default: in memory]
    #[arg(long)]
    database: Option<PathBuf>,
}

/// What the handlers share. It serves one of them at a time; a program that wants more has several connections.
type Database = State<Arc<Mutex<Connection>>>;

/// An answer that says what is wrong.
type Wrong = (StatusCode, String);

fn wrong(error: rusqlite::Error) -> Wrong {
    match error {
        rusqlite::Error::QueryReturnedNoRows => (StatusCode::NOT_FOUND, "no such note\n".into()),
        error => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

/// `GET /notes`: the newest, as JSON.
async fn newest(State(database): Database) -> Result<Json<BTreeMap<i64, String>>, Wrong> {
    let query = |database: &Connection| {
        database
            .prepare("SELECT id, text FROM notes ORDER BY id DESC LIMIT ?")?
            .query_map([NOTES_MAX], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()
    };
    query(&*database.lock().await).map(Json).map_err(wrong)
}

/// `GET /notes/{id}`
async fn one(State(database): Database, Path(id): Path<i64>) -> Result<String, Wrong> {
    let query = "SELECT text FROM notes WHERE id = ?";
    let text = database
        .lock()
        .await
        .query_row(query, [id], |row| row.get(0));
    text.map_err(wrong)
}

/// `POST /notes`: keeps a text, and gives its number.
async fn add(State(database): Database, text: String) -> Result<(StatusCode, String), Wrong> {
    if text.trim().is_empty() {
        return Err((StatusCode::BAD_REQUEST, "a note has a text\n".into()));
    }
    let query = "INSERT INTO notes (text) VALUES (?) RETURNING id";
    let id = database
        .lock()
        .await
        .query_row(query, [text], |row| row.get::<_, i64>(0));
    Ok((StatusCode::CREATED, format!("{}\n", id.map_err(wrong)?)))
}

fn open(path: Option<PathBuf>) -> rusqlite::Result<Connection> {
    let database = match path {
        Some(path) => Connection::open(path)?,
        None => Connection::open_in_memory()?,
    };
    let table = "CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)";
    database.execute(table, ())?;
    Ok(database)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let app = Router::new()
        .route("/notes", get(newest).post(add))
        .route("/notes/{id}", get(one))
        .layer(DefaultBodyLimit::max(NOTE_BYTES_MAX))
        .with_state(Arc::new(Mutex::new(open(arguments.database)?)));
    let runtime = Runtime::builder().threads(2..=64).build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(arguments.listen).await?;
        println!("listening on {}", listener.local_addr());
        let line = wharf_async::spawn(async { io::stdin().read_line(&mut String::new()) });
        wharf_axum::serve(listener, app)
            .with_graceful_shutdown(async { drop(line.await) })
            .await
    })?;
    let report = runtime.stop(Duration::from_secs(10));
    println!("stopped; {} tasks left", report.tasks_left.len());
    Ok(())
}
