//! Login modules and scripts: clients that show a certificate of the site's authority.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use loggia_server::authority;
use loggia_server::tls::provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::{Answer, Hub};

pub(crate) const KEY: &str = "0123456789abcdef";

/// A program with its certificate, or without.
pub(crate) struct Program {
    address: SocketAddr,
    config: Arc<ClientConfig>,
}

/// A hub with a port for programs.
pub(crate) async fn hub() -> Hub {
    Hub::start_with(|settings| {
        settings.trusted_listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    })
    .await
}

/// The present, for certificates, which real libraries check by the real clock.
#[expect(clippy::disallowed_methods, reason = "the other side of the handshake has no other clock")]
pub(crate) fn wall() -> loggia_model::Moment {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    loggia_model::Moment(since.as_millis() as i64)
}

impl Program {
    /// One that got its certificate by `loggia certificate export`.
    pub(crate) fn of(hub: &Hub) -> Program {
        let folder = tempfile::tempdir().unwrap();
        authority::export(hub.data(), "portal", folder.path(), wall()).unwrap();
        Program::with(hub, Some(folder.path()))
    }

    /// One that shows the certificate in a folder, or none.
    pub(crate) fn with(hub: &Hub, identity: Option<&Path>) -> Program {
        let mut roots = RootCertStore::empty();
        let root = hub.data().join("authority/root.pem");
        roots.add(CertificateDer::from_pem_file(root).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(folder) => {
                let chain = CertificateDer::from_pem_file(folder.join("client.pem")).unwrap();
                let key = PrivateKeyDer::from_pem_file(folder.join("client_key.pem")).unwrap();
                builder.with_client_auth_cert(vec![chain], key).unwrap()
            }
        };
        Program { address: hub.running.trusted_address.unwrap(), config: Arc::new(config) }
    }

    /// Sends a request as it is; an error where the handshake is refused.
    pub(crate) async fn raw(&self, request: &str) -> std::io::Result<Answer> {
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from("hub.example").unwrap();
        let mut stream = TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer));
        read.await.expect("the server neither answered nor closed")?;
        Ok(Answer::parse(&String::from_utf8_lossy(&answer)))
    }

    /// A request with the key where it must be.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.ask_as(method, path, "", body).await
    }

    /// The same, acting as a user.
    pub(crate) async fn ask_as(
        &self,
        method: &str,
        path: &str,
        user: &str,
        body: &Value,
    ) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let separator = if path.contains('?') { '&' } else { '?' };
        let mut request = format!(
            "{method} {path}{separator}Xrfkey={KEY} HTTP/1.1\r\nHost: hub.example\r\n\
             Connection: close\r\nX-Qlik-Xrfkey: {KEY}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n",
            body.len()
        );
        if !user.is_empty() {
            request.push_str(&format!("X-Qlik-User: {user}\r\n"));
        }
        self.raw(&format!("{request}\r\n{body}")).await.unwrap()
    }
}
