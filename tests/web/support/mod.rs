//! What the tests are made with: a [`Site`] with a database, a clock and a mail service of its own;
//! a [`Visitor`], who is a browser without scripts; and a [`Browser`], which is Chromium.

mod browser;
mod commands;
mod database;
mod letters;
mod notices;
mod page;
mod profile;
mod program;
mod site;
#[allow(dead_code, reason = "shared with the unit tests of the mail")]
mod smtp;
mod visitor;
mod wire;

pub use browser::Browser;
pub use database::{ScratchFolder, TestDatabase};
pub use letters::{NEW_PASSWORD, blind};
pub use notices::THIEFS_PASSWORD;
pub use page::{Form, Page};
pub use program::Program;
pub use site::Site;
pub use smtp::{Act, Delivered, Sink, Stage, is_generated_password};
pub use visitor::{Request, Visitor};
pub use wire::Wire;

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The password of everybody for whom it does not matter.
pub const PASSWORD: &str = "green Elephant 7";

/// How long a test waits for what never comes before it fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until a question is answered by something.
pub async fn until<T>(what: &str, mut question: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = question().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let answer = tokio::time::timeout(PATIENCE, asking).await;
    answer.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Sends a request as it stands, which no browser would, and leaves the connection open.
pub async fn say(address: SocketAddr, request: &str) -> TcpStream {
    let mut connection = TcpStream::connect(address).await.expect("a connection");
    connection.write_all(request.as_bytes()).await.expect("a connection");
    connection
}

/// Sends a request as it stands, which must ask that the connection be closed, and returns the
/// whole answer.
pub async fn ask(address: SocketAddr, request: &str) -> String {
    let mut answer = String::new();
    let read = say(address, request).await.read_to_string(&mut answer).await;
    read.expect("an answer in UTF-8");
    answer
}
