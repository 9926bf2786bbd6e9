use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Extension, Router, extract::ConnectInfo};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use nix::sys::{
    resource::{Resource, getrlimit, setrlimit},
    socket::{
        setsockopt,
        sockopt::{SndBuf, TcpUserTimeout},
    },
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};
use tower::Layer;

/// How long a client may leave an answer lying, in milliseconds (RFC 5482).
const TAKEN_WITHIN: u32 = 30_000;

/// How many octets of answers the system keeps for a client that does not take them (it doubles this); left to
/// itself it keeps more than a megabyte for whoever asks on without reading.
const KEPT_FOR_CLIENT: usize = 32 * 1024;

/// How many octets of a request's head are read; more is answered with 431. So no connection that waits
/// holds more memory than this and a little, however long it is kept waiting.
const LARGEST_HEAD: usize = 16 * 1024;

/// No more connections are open at once; others wait to be accepted.
const MOST_CONNECTIONS: u64 = 20_000;

/// Files that are not connections: the database's, the log, the letters.
const OTHER_FILES: u64 = 256;

/// How long to wait when the system gives no connection, which passes.
const BREATH: Duration = Duration::from_millis(100);

/// Serves until told to stop; then lets the requests that are under way come to their end. A connection
/// that does not bring a head within `head_within` is closed.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    head_within: Duration,
    mut stopped: watch::Receiver<bool>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head_within).max_buf_size(LARGEST_HEAD);
    let room = Arc::new(Semaphore::new(room()));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &room) => accepted,
            // An error means that the server is gone, which is a stop as well.
            _ = stopped.wait_for(|stopped| *stopped) => break,
        };
        let (stream, peer, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(Extension(ConnectInfo(peer)).layer(router.clone()));
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke off");
            }
            drop(place);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // Answers are small and written at once: waiting to fill a packet would only cost time.
    stream.set_nodelay(true)?;
    // One that takes no answer is given up; hyper would wait for it as long as it likes.
    setsockopt(&stream, TcpUserTimeout, &TAKEN_WITHIN)?;
    setsockopt(&stream, SndBuf, &KEPT_FOR_CLIENT)?;
    Ok((stream, peer, place))
}

/// How many connections there is room for, once the system was asked for as many files as it gives.
fn room() -> usize {
    let files = match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, hard)) if setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_err() => soft,
        Ok((_, hard)) => hard,
        Err(_) => 1024,
    };
    let room = files.saturating_sub(OTHER_FILES).clamp(OTHER_FILES, MOST_CONNECTIONS);
    usize::try_from(room).unwrap_or(usize::MAX)
}
