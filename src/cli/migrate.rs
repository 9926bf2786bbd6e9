use serde_json::json;
use tokio::runtime::Runtime;

use super::output::Output;
use crate::platform::{
    config::Config,
    database::{self, DatabaseServer},
};

/// Migrates the database and stops.
pub fn run(config: &Config, output: Output) -> anyhow::Result<()> {
    let server = DatabaseServer::start(config)?;
    Runtime::new()?.block_on(async {
        let database = database::connect(server.connect_options(), 0).await?;
        database::migrate(&database).await
    })?;
    output.say(&json!({ "is_up_to_date": true }), || "The database is up to date.".to_owned())
}
