use tokio::runtime::Runtime;

use crate::platform::{
    config::Config,
    database::{self, DatabaseServer},
};

/// Migrates the database and stops.
pub fn run(config: &Config) -> anyhow::Result<()> {
    let server = DatabaseServer::start(config)?;
    Runtime::new()?.block_on(async {
        let database = database::connect(server.connect_options(), 0).await?;
        database::migrate(&database).await
    })?;
    println!("The database is up to date.");
    Ok(())
}
