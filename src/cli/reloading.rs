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
use tokio::sync::Mutex;

/// What the command line says in the place of the file, at each reload again.
#[derive(Debug, Clone, Default)]
pub(super) struct Overrides {
    /// In which form logs are written.
    pub(super) format: Option<LogFormat>,
    /// Where sessions are recorded.
    pub(super) record: Option<PathBuf>,
}

impl Overrides {
    pub(super) fn apply(&self, settings: &mut Settings) {
        settings.access_log.format = self.format.unwrap_or(settings.access_log.format);
        if self.record.is_some() {
            settings.record.folder.clone_from(&self.record);
        }
    }
}

/// Reads one file again, for one server.
#[derive(Debug, Clone)]
pub(super) struct Reloading {
    file: PathBuf,
    /// What the command line says, and the file not.
    overrides: Overrides,
    control: Control,
    telemetry: Arc<Telemetry>,
    /// Whose turn it is: of two reloads the one that has read the file last is to be taken last.
    turn: Arc<Mutex<()>>,
}

impl Reloading {
    pub(super) fn new(file: &Path, overrides: Overrides, server: &Server) -> Self {
        let telemetry = Arc::clone(server.telemetry());
        let (control, turn) = (server.control(), Arc::default());
        Self { file: file.to_owned(), overrides, control, telemetry, turn }
    }

    /// Has the server take the file as it is now, and tells everybody how that went. What has begun
    /// goes on to its end, be it that nobody waits for it any more.
    ///
    /// # Errors
    /// With what is wrong, for a person; the server goes on as before then.
    pub(super) async fn reload(&self) -> Result<String, String> {
        let (this, turn) = (self.clone(), Arc::clone(&self.turn).lock_owned().await);
        let reloading = tokio::spawn(async move {
            let _turn = turn;
            this.reload_now().await
        });
        reloading.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    async fn reload_now(&self) -> Result<String, String> {
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
        self.overrides.apply(&mut settings);
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        self.control.reload(settings).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::poll;
    use prometheus_client::registry::Registry;

    #[tokio::test]
    async fn goes_on_when_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hybridge.toml");
        let text = "[[listener]]\nname = \"main\"\naddress = [\"127.0.0.1:0\"]\n\n\
                    [[route]]\nname = \"main\"\nrespond = { status = 404 }\n\n\
                    [access_log]\nenabled = false\n";
        std::fs::write(&file, text).unwrap();
        let server = Server::bind(Settings::load(&file).unwrap().settings).await.unwrap();
        let reloading = Reloading::new(&file, Overrides::default(), &server);
        let mut asked = Box::pin(reloading.reload());
        assert!(poll!(&mut asked).is_pending(), "nobody serves yet");
        drop(asked);
        let telemetry = Arc::clone(server.telemetry());
        let (leave, left) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(server.run(async { drop(left.await) }));
        // One that comes later has its turn behind it.
        reloading.reload().await.unwrap();
        let metrics = telemetry.metrics(&Registry::default()).unwrap();
        assert!(metrics.contains("hybridge_config_reloads_total{result=\"ok\"} 2\n"), "{metrics}");
        drop(leave);
        serving.await.unwrap().unwrap();
    }
}
