//! How a server that runs takes its configuration file again: at SIGHUP, and when the admin listener
//! is asked.

use crate::config::Settings;
use crate::config::load::Loaded;
use crate::config::operation::LogFormat;
use crate::server::Server;
use crate::server::control::Control;
use crate::telemetry::{Telemetry, notify};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reads one file again, for one server.
#[derive(Debug, Clone)]
pub(super) struct Reloading {
    file: PathBuf,
    /// What the command line says of the form of lines.
    format: Option<LogFormat>,
    control: Control,
    telemetry: Arc<Telemetry>,
}

impl Reloading {
    pub(super) fn new(file: &Path, format: Option<LogFormat>, server: &Server) -> Self {
        let telemetry = Arc::clone(server.telemetry());
        Self { file: file.to_owned(), format, control: server.control(), telemetry }
    }

    /// Has the server take the file as it is now, and tells everybody how that went.
    ///
    /// # Errors
    /// With what is wrong, for a person; the server goes on as before then.
    pub(super) async fn reload(&self) -> Result<String, String> {
        notify::reloading();
        let outcome = self.take().await;
        notify::ready();
        self.telemetry.reloaded(outcome.is_ok());
        let file = self.file.display();
        match outcome {
            Ok(()) => {
                tracing::info!(%file, "reloaded");
                Ok(format!("{file}: reloaded"))
            }
            Err(error) => {
                tracing::error!("not reloaded, and all goes on as before: {error:#}");
                Err(format!("{error:#}"))
            }
        }
    }

    async fn take(&self) -> anyhow::Result<()> {
        let Loaded { mut settings, warnings } = Settings::load(&self.file)?;
        settings.access_log.format = self.format.unwrap_or(settings.access_log.format);
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        self.control.reload(settings).await
    }
}
