//! Users, passwords and certificates.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tollgate::redis::{RedisBackend, RedisError};

use crate::asking::{ask, check, outcome, tokens};
use crate::servers::{Directory, Standalone, free_port};

/// As the documentation of `tollgate::redis` has it.
const DOCUMENTED: &str = "~tollgate:* resetchannels -@all +@read +@write -@dangerous +time +eval +evalsha +info +cluster|slots +asking";

/// A server where the user `limits` has these rights.
fn server_with_user(rights: &str) -> Standalone {
    let server = Standalone::builder().password("of-the-default-user").start();
    server.say::<()>(&format!("ACL SETUSER limits on >pw {rights}"));
    server
}

fn url(server: &Standalone, password: &str) -> String {
    format!("redis://limits:{password}@{}", server.address())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_rights_are_enough() {
    let server = server_with_user(DOCUMENTED);
    let backend = RedisBackend::builder(url(&server, "pw")).build().await.unwrap();
    assert_eq!(outcome(&ask(&backend, check(tokens(5), "a")).await.unwrap()), (true, 4));

    let named =
        RedisBackend::builder(server.address()).username("limits").password("pw").build().await.unwrap();
    assert_eq!(outcome(&ask(&named, check(tokens(5), "a")).await.unwrap()), (true, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing_is_an_error_that_says_what_to_grant() {
    for missing in ["-eval", "-evalsha", "-info", "-set", "-zadd", "-time", "resetkeys ~other:*"] {
        let server = server_with_user(&format!("{DOCUMENTED} {missing}"));
        let error = RedisBackend::builder(url(&server, "pw")).build().await.unwrap_err();
        assert!(matches!(&error, RedisError::Permission { .. }), "{missing}: {error:?}");
        assert!(error.to_string().contains("ACL SETUSER"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_or_missing_password_is_an_error_that_does_not_repeat_it() {
    let server = server_with_user(DOCUMENTED);
    let no_password = format!("redis://{}", server.address());
    for url in [url(&server, "guess"), no_password] {
        let error = RedisBackend::builder(url).build().await.unwrap_err();
        assert!(matches!(&error, RedisError::Authentication { .. }), "{error:?}");
        assert!(!error.to_string().contains("guess"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_hello_is_an_error_that_says_what_to_do_and_not_the_password() {
    let server = Standalone::builder().line("rename-command HELLO \"\"").password("hunter2secret").start();
    let error = RedisBackend::builder(server.url()).build().await.unwrap_err();
    assert_eq!(error, RedisError::NoResp3 { server: server.address() });
    assert!(error.to_string().contains("allow its command HELLO"), "{error}");
    assert!(!format!("{error:?} {error}").contains("hunter2secret"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_are_taken_away_later_are_a_matter_of_configuration() {
    let server = server_with_user(DOCUMENTED);
    let backend = RedisBackend::builder(url(&server, "pw")).build().await.unwrap();
    server.say::<()>("ACL SETUSER limits -evalsha");
    let error = ask(&backend, check(tokens(5), "a")).await.unwrap_err();
    assert_eq!(error.kind(), tollgate::distributed::BackendErrorKind::Configuration, "{error}");
    assert!(error.to_string().contains("ACL SETUSER"), "{error}");
}

/// An authority, and a server and a client that it vouches for.
struct Certificates {
    authority: String,
    server: (String, String),
    client: (String, String),
}

fn certificates() -> Certificates {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // A certificate of the same name as its authority would count as its own.
    authority.distinguished_name.push(DnType::CommonName, "authority");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let issue = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        (certificate.pem(), key.serialize_pem())
    };
    Certificates { authority: authority.pem(), server: issue("localhost"), client: issue("client") }
}

/// A server that speaks TLS at the URL, and who its clients must be.
fn secure_server(certificates: &Certificates, clients: &str) -> (Standalone, String, Directory) {
    let directory = Directory::new();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let port = free_port();
    let server = Standalone::builder()
        .line(format!("tls-port {port}"))
        .line(format!("tls-cert-file {}", file("server.crt", &certificates.server.0)))
        .line(format!("tls-key-file {}", file("server.key", &certificates.server.1)))
        .line(format!("tls-ca-cert-file {}", file("authority.crt", &certificates.authority)))
        .line(format!("tls-auth-clients {clients}"))
        .start();
    (server, format!("rediss://localhost:{port}"), directory)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_trusted_by_the_certificate_of_its_authority_and_by_none_else() {
    let certificates = certificates();
    let (_server, url, _directory) = secure_server(&certificates, "no");
    let trusting = RedisBackend::builder(&url).root_certificates(certificates.authority.as_str());
    let backend = trusting.build().await.unwrap();
    assert_eq!(outcome(&ask(&backend, check(tokens(5), "a")).await.unwrap()), (true, 4));

    let strangers = self::certificates();
    let distrusting = RedisBackend::builder(&url).root_certificates(strangers.authority.as_str());
    for builder in [distrusting, RedisBackend::builder(&url)] {
        let error = builder.build().await.unwrap_err();
        assert!(matches!(&error, RedisError::Unreachable { .. }), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_to_know_its_clients_is_shown_their_certificate() {
    let certificates = certificates();
    let (_server, url, _directory) = secure_server(&certificates, "yes");
    let builder = || RedisBackend::builder(&url).root_certificates(certificates.authority.as_str());
    let (certificate, key) = &certificates.client;
    let known = builder().client_certificate(certificate.as_str(), key.as_str());
    let backend = known.build().await.unwrap();
    assert_eq!(outcome(&ask(&backend, check(tokens(5), "a")).await.unwrap()), (true, 4));
    builder().build().await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_are_none_are_refused() {
    let builder = || RedisBackend::builder("rediss://localhost:1");
    let not_pem = "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n";
    for builder in [builder().root_certificates(not_pem), builder().client_certificate(not_pem, "no key")] {
        let error = builder.build().await.unwrap_err();
        assert!(matches!(&error, RedisError::Certificates { .. }), "{error:?}");
    }
}
