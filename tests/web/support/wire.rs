use std::{path::PathBuf, sync::Arc};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, UnixStream},
    sync::watch,
    task::JoinSet,
};

use super::TestDatabase;

/// The wire between a site and its database, which can be cut and mended.
pub struct Wire {
    port: u16,
    is_cut: Arc<watch::Sender<bool>>,
    _tasks: JoinSet<()>,
}

impl Wire {
    /// A whole one.
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let is_cut = Arc::new(watch::Sender::new(false));
        let mut tasks = JoinSet::new();
        tasks.spawn(carry(listener, TestDatabase::socket(), Arc::clone(&is_cut)));
        Self { port, is_cut, _tasks: tasks }
    }

    /// How to connect over it.
    pub fn connect_options(&self, database: &TestDatabase) -> PgConnectOptions {
        let direct = database.connect_options();
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .ssl_mode(PgSslMode::Disable)
            .username(direct.get_username())
            .database(direct.get_database().expect("a database"))
    }

    /// Ends every connection, and lets none come about.
    pub fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    /// Lets connections come about again.
    pub fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

async fn carry(listener: TcpListener, socket: PathBuf, is_cut: Arc<watch::Sender<bool>>) {
    let mut carried = JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        let (socket, mut cut) = (socket.clone(), is_cut.subscribe());
        carried.spawn(async move {
            let carrying = async {
                let mut far = UnixStream::connect(socket).await?;
                copy_bidirectional(&mut near, &mut far).await
            };
            tokio::select! {
                biased;
                _ = cut.wait_for(|cut| *cut) => {}
                _ = carrying => {}
            }
        });
    }
}
