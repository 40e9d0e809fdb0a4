//! TLS towards servers: whom we believe, and who we say we are. Built once for a backend.

use crate::config::backend::ClientTls;
use anyhow::{Context, bail};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// What connects to the servers of a backend.
///
/// # Errors
/// When a file cannot be read, or does not hold what it should.
pub(crate) fn connector(settings: &ClientTls) -> anyhow::Result<TlsConnector> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("TLS")?
        .with_root_certificates(roots(settings.ca.as_deref())?);
    let mut config = match (&settings.certificate, &settings.key) {
        (None, None) => config.with_no_client_auth(),
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate)?;
            let key_named = || format!("tls.key {}", key.display());
            let der = PrivateKeyDer::from_pem_file(key).with_context(key_named)?;
            config.with_client_auth_cert(chain, der).with_context(|| {
                format!("{} for tls.certificate {}", key_named(), certificate.display())
            })?
        }
        (Some(_), None) => bail!("tls.certificate has no tls.key beside it"),
        (None, Some(_)) => bail!("tls.key has no tls.certificate beside it"),
    };
    // Neither the opening handshakes nor our plain requests are of HTTP/2.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The name that a server's certificate has to be for, and that we ask it for.
///
/// # Errors
/// When it can be none.
pub(super) fn server_name(settings: &ClientTls, host: &str) -> anyhow::Result<ServerName<'static>> {
    let (key, name) = match &settings.server_name {
        Some(name) => ("tls.server_name", name.as_str()),
        None => ("the host of the URL", host),
    };
    let name_of = || format!("{key}, {name:?}, can stand in no certificate");
    ServerName::try_from(name.to_owned()).with_context(name_of)
}

fn roots(ca: Option<&Path>) -> anyhow::Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    let Some(ca) = ca else {
        let system = rustls_native_certs::load_native_certs();
        store.add_parsable_certificates(system.certs);
        if store.is_empty() {
            let why = system.errors.first().map_or_else(|| "none".to_owned(), ToString::to_string);
            bail!("no root certificates of the system ({why}); install them, or give tls.ca");
        }
        return Ok(store);
    };
    for certificate in certificates(ca).map_err(|error| error.context("tls.ca"))? {
        store.add(certificate).with_context(|| format!("tls.ca {}", ca.display()))?;
    }
    Ok(store)
}

fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let cannot = || format!("cannot read certificates from {}", path.display());
    let all = CertificateDer::pem_file_iter(path).with_context(cannot)?;
    let all = all.collect::<Result<Vec<_>, _>>().with_context(cannot)?;
    if all.is_empty() {
        bail!("no certificate in {}", path.display());
    }
    Ok(all)
}
