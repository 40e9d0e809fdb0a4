//! TLS towards clients.

use super::certificates::{Certificates, chain_of};
use crate::config::listener::{ClientCertificate, ServerTls, TlsVersion};
use anyhow::{Context, anyhow, bail};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

/// What is offered by ALPN. A client that offers protocols and not this one gets the alert
/// `no_application_protocol` (RFC 7301 section 3.2), as from nginx since 1.21.4: to go on would let
/// it be talked to in a protocol that it did not mean. One that has no ALPN, as all of 2011, is
/// served.
const ALPN: &[u8] = b"http/1.1";

/// What makes a TLS stream of a connection. The files are read, at each call.
///
/// # Errors
/// With the file and its fault, or the setting that does not fit.
pub(crate) fn acceptor(settings: &ServerTls) -> anyhow::Result<TlsAcceptor> {
    let provider = Arc::new(ring::default_provider());
    let certificates = Certificates::read(&settings.certificates, &provider)?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions(settings.min_version))?;
    let builder = match verifier(settings, provider)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(certificates));
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn versions(oldest: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    static ALL: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
    match oldest {
        TlsVersion::V12 => &ALL,
        TlsVersion::V13 => ALL.get(..1).unwrap_or_default(),
    }
}

/// Who looks at the certificates of clients, if anybody does.
fn verifier(
    settings: &ServerTls,
    provider: Arc<CryptoProvider>,
) -> anyhow::Result<Option<Arc<dyn ClientCertVerifier>>> {
    let file = match (settings.client_certificate, &settings.client_ca) {
        (ClientCertificate::Off, None) => return Ok(None),
        (ClientCertificate::Off, Some(_)) => {
            bail!("client_ca is of no use while client_certificate is \"off\"")
        }
        (_, None) => bail!("client_certificate needs client_ca"),
        (_, Some(file)) => file,
    };
    let roots = Arc::new(roots(file)?);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, provider);
    let builder = match settings.client_certificate {
        ClientCertificate::Required => builder,
        ClientCertificate::Optional | ClientCertificate::Off => builder.allow_unauthenticated(),
    };
    Ok(Some(builder.build().with_context(|| file.display().to_string())?))
}

fn roots(file: &Path) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in chain_of(file)? {
        roots.add(certificate).map_err(|error| anyhow!("{}: {error}", file.display()))?;
    }
    Ok(roots)
}
