//! A program that has all of it: axum, sqlx with PostgreSQL, reqwest, a layer with a time-out. The libraries ask for tokio's runtime, whose
//! context the feature `tokio` of `wharf-async` gives them; the handlers run on Wharf's workers, and may block.
//!
//! `DATABASE_URL=postgres://me@localhost/notes cargo run -p wharf-examples-web --example postgres -- --listen 127.0.0.1:21021`, which is the
//! default address. Then `curl --json '{"text": "ahoy"}' 127.0.0.1:21021/notes`, and the same without `--json`. A line on its standard
//! input, or the end of it, stops it.

use std::{env, error::Error, net::SocketAddr, thread, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tower_http::timeout::TimeoutLayer;
use wharf_async::{Runtime, net::TcpListener};

/// A request may take no longer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What the handlers share.
#[derive(Debug, Clone)]
struct App {
    notes: PgPool,
    http: reqwest::Client,
    own_address: SocketAddr,
}

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    text: String,
}

type Answer<T> = Result<T, (StatusCode, String)>;

/// What another program's failure is to a client of ours.
fn failed(error: impl Error) -> (StatusCode, String) {
    (StatusCode::BAD_GATEWAY, error.to_string())
}

async fn read(State(app): State<App>) -> Answer<Json<Vec<Note>>> {
    let query = sqlx::query_scalar("SELECT text FROM notes ORDER BY id");
    let texts: Vec<String> = query.fetch_all(&app.notes).await.map_err(failed)?;
    Ok(Json(texts.into_iter().map(|text| Note { text }).collect()))
}

async fn write(State(app): State<App>, Json(note): Json<Note>) -> Answer<StatusCode> {
    // As a driver without `async` would: it holds its thread, and nothing else.
    thread::sleep(Duration::from_millis(20));
    let query = sqlx::query("INSERT INTO notes (text) VALUES ($1)").bind(note.text);
    query.execute(&app.notes).await.map_err(failed)?;
    Ok(StatusCode::CREATED)
}

/// The notes, as another server's client would get them.
async fn mirror(State(app): State<App>) -> Answer<Json<Vec<Note>>> {
    let url = format!("http://{}/notes", app.own_address);
    let response = app.http.get(url).send().await.map_err(failed)?;
    Ok(Json(response.json().await.map_err(failed)?))
}

async fn serve(listen: SocketAddr) -> Result<(), Box<dyn Error>> {
    let url = env::var("DATABASE_URL").map_err(|_| "DATABASE_URL names no database")?;
    let notes = PgPoolOptions::new()
        .max_connections(8)
        .connect(&url)
        .await?;
    let create = "CREATE TABLE IF NOT EXISTS notes (id BIGSERIAL PRIMARY KEY, text TEXT NOT NULL)";
    sqlx::query(create).execute(&notes).await?;
    let listener = TcpListener::bind(listen).await?;
    let app = App {
        notes: notes.clone(),
        http: reqwest::Client::new(),
        own_address: listener.local_addr(),
    };
    let router = Router::new()
        .route("/notes", get(read))
        .route("/notes", post(write))
        .route("/mirror", get(mirror))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            TIMEOUT,
        ))
        .with_state(app);
    println!("listening on {}", listener.local_addr());
    wharf_axum::serve(listener, router)
        .with_graceful_shutdown(wharf_examples_web::stopped())
        .await?;
    notes.close().await;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let listen = wharf_examples::address("--listen", "127.0.0.1:21021")?;
    let runtime = Runtime::new()?;
    runtime.block_on(serve(listen))?;
    let report = runtime.stop(TIMEOUT);
    println!("stopped; {} tasks left", report.tasks_left.len());
    Ok(())
}
