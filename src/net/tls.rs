//! Who is at the other end: TLS 1.3 with raw Ed25519 public keys on both sides (RFC 7250).
//!
//! There is no certificate and no authority. A client knows the one key that its server must have; a
//! server takes any key, proven by the handshake's signature, and tells the caller which it was.
//!
//! **Invariant**: a finished handshake means that the peer holds the private key to the public key that
//! was compared (client) or handed over (server). No session is resumed, so every connection proves it
//! anew.
//!
//! What this module must not know: which keys are welcome. That is decided by whoever reads the `Hello`.

use std::fmt;
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    PeerMisbehaved, ServerConfig, SignatureScheme,
};

use super::spki;
use crate::id::ServerId;

/// Names the framing below the frames; the frames' own version is negotiated in `Hello`.
const ALPN: &[u8] = b"tercet/1";

/// The key that one side of a connection proves to hold.
#[derive(Clone)]
pub struct Identity {
    public: [u8; 32],
    key: Arc<CertifiedKey>,
    provider: Arc<CryptoProvider>,
}

/// A key could not be made ready for TLS.
#[derive(Debug, thiserror::Error)]
#[error("the key {} cannot be used for connections: {why}; make a new one", public.short())]
pub struct IdentityError {
    public: ServerId,
    why: String,
}

/// Whoever answered proves another key than the expected one, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the key {expected}, was presented {presented}")]
pub struct KeyMismatch {
    /// The key in the cluster file.
    pub expected: ServerId,
    /// The key that was presented. It may not be the presenter's: the signature was not looked at.
    pub presented: ServerId,
}

impl Identity {
    /// The identity of whoever holds this key.
    ///
    /// # Errors
    /// If the TLS library does not take the key.
    pub fn new(key: &SigningKey) -> Result<Self, IdentityError> {
        let public = key.verifying_key().to_bytes();
        let error = |why: String| IdentityError { public: ServerId::new(public), why };
        let der = key.to_pkcs8_der().map_err(|why| error(why.to_string()))?;
        let signer = rustls::crypto::ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(der.as_bytes()))
            .map_err(|why| error(why.to_string()))?;
        let key = CertifiedKey::new(vec![CertificateDer::from(spki::encode(&public))], signer);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Ok(Self { public, key: Arc::new(key), provider })
    }

    /// Somebody who claims another's public key.
    #[cfg(test)]
    pub(super) fn impostor(key: &SigningKey, claimed: [u8; 32]) -> Result<Self, IdentityError> {
        let own = Self::new(key)?;
        let shown = vec![CertificateDer::from(spki::encode(&claimed))];
        Ok(Self { key: Arc::new(CertifiedKey::new(shown, own.key.key.clone())), public: claimed, ..own })
    }

    /// The public key, as an `AccountId` or a `ServerId` is made of it.
    #[cfg(test)]
    pub(super) fn public_key(&self) -> [u8; 32] {
        self.public
    }

    /// How to dial the server that has this key, and no other.
    ///
    /// # Errors
    /// If the TLS library refuses the configuration.
    pub fn client_config(&self, expected: ServerId) -> Result<ClientConfig, Error> {
        let mut config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(self.server_verifier(expected))
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(self.key.clone())));
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(config)
    }

    /// What tells the server with this key from all others.
    pub(super) fn server_verifier(&self, expected: ServerId) -> Arc<dyn ServerCertVerifier> {
        Arc::new(ExpectedServer { expected, signatures: Signatures::of(&self.provider) })
    }

    /// How to answer clients, whatever their key.
    ///
    /// # Errors
    /// If the TLS library refuses the configuration.
    pub fn server_config(&self) -> Result<ServerConfig, Error> {
        let verifier = AnyClient { signatures: Signatures::of(&self.provider) };
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(self.key.clone())));
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(config)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({}, secret)", ServerId::new(self.public).short())
    }
}

/// The peer's public key, once the handshake is done.
pub fn peer_key(certificates: Option<&[CertificateDer<'_>]>) -> Option<[u8; 32]> {
    spki::decode(certificates?.first()?)
}

/// Checks handshake signatures; Ed25519 is the only scheme that either side offers.
#[derive(Debug)]
struct Signatures(WebPkiSupportedAlgorithms);

impl Signatures {
    fn of(provider: &CryptoProvider) -> Self {
        Self(provider.signature_verification_algorithms)
    }

    fn check(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if signed.scheme != SignatureScheme::ED25519 {
            return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
        }
        verify_tls13_signature_with_raw_key(
            message,
            &SubjectPublicKeyInfoDer::from(key.as_ref()),
            signed,
            &self.0,
        )
    }
}

/// TLS 1.2 is never offered; a peer that signs for it all the same is refused.
fn no_tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into())
}

fn no_sound_key() -> Error {
    Error::InvalidCertificate(CertificateError::BadEncoding)
}

#[derive(Debug)]
struct ExpectedServer {
    expected: ServerId,
    signatures: Signatures,
}

impl ServerCertVerifier for ExpectedServer {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let presented = ServerId::new(spki::decode(key).ok_or_else(no_sound_key)?);
        if presented != self.expected {
            return Err(OtherError(Arc::new(KeyMismatch { expected: self.expected, presented })).into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.check(message, key, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct AnyClient {
    signatures: Signatures,
}

impl ClientCertVerifier for AnyClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        spki::decode(key).map(|_| ClientCertVerified::assertion()).ok_or_else(no_sound_key)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.check(message, key, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
