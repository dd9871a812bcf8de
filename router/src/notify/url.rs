use std::fmt;

use http::Uri;
use percent_encoding::percent_decode_str;

/// What a gateway's URL says. `Debug` shows where it leads, and no credentials.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct GatewayUrl {
    pub(super) scheme: String,
    pub(super) host: String,
    pub(super) port: Option<u16>,
    /// With its query; empty if there is none.
    pub(super) path: String,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
}

/// A text is not the URL of a gateway. It is not repeated here: it may hold credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UrlError(pub(super) String);

impl GatewayUrl {
    /// Reads a URL of one of these schemes.
    pub(super) fn parse(text: &str, schemes: &[&str], example: &str) -> Result<Self, UrlError> {
        let wrong = |what: &str| UrlError(format!("{what}: write it as {example}"));
        let uri: Uri = text.trim().parse().map_err(|_| wrong("is not a URL"))?;
        let scheme = uri.scheme_str().unwrap_or_default();
        if !schemes.contains(&scheme) {
            return Err(wrong("has another scheme"));
        }
        let authority = uri.authority().ok_or_else(|| wrong("names no host"))?;
        let credentials = authority.as_str().rsplit_once('@').map(|(credentials, _)| credentials);
        let (user, password) = match credentials.map(|it| it.split_once(':').unwrap_or((it, ""))) {
            None => (None, None),
            Some((user, password)) => {
                let decode = |text| {
                    let decoded = percent_decode_str(text).decode_utf8();
                    decoded.map(|it| it.into_owned()).map_err(|_| wrong("has other credentials"))
                };
                let password = if password.is_empty() { None } else { Some(decode(password)?) };
                (Some(decode(user)?), password)
            }
        };
        if authority.host().is_empty() {
            return Err(wrong("names no host"));
        }
        // A password with a slash in it would else turn the user into the host.
        let end = authority.as_str().rsplit_once('@').map_or(authority.as_str(), |(_, end)| end);
        let port = match end.strip_prefix(authority.host()) {
            Some("") => None,
            Some(port) => {
                let digits = port.strip_prefix(':').filter(|it| !it.starts_with('+'));
                let port = digits.and_then(|it| it.parse().ok());
                Some(port.ok_or_else(|| wrong("has a port that is none"))?)
            }
            None => return Err(wrong("names no host")),
        };
        Ok(Self {
            scheme: scheme.to_owned(),
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port,
            path: uri.path_and_query().map_or_else(String::new, ToString::to_string),
            user,
            password,
        })
    }

    /// Whether it leads nowhere but to this machine, so that nobody can listen on the way.
    pub(super) fn is_here(&self) -> bool {
        let address = self.host.parse::<std::net::IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// The host as it stands in a URL.
    pub(super) fn host_and_port(&self) -> String {
        let Self { host, port, .. } = self;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"))
    }
}

impl fmt::Debug for GatewayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host_and_port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<GatewayUrl, UrlError> {
        GatewayUrl::parse(text, &["https", "http"], "https://host/path")
    }

    #[test]
    fn a_url_is_read() {
        let url = parse("https://al%40ice:s%3Acret@push.example:8443/v1/notify?key=k").unwrap();
        assert_eq!(
            (&*url.host, url.port, &*url.path),
            ("push.example", Some(8443), "/v1/notify?key=k")
        );
        assert_eq!(url.user.as_deref(), Some("al@ice"));
        assert_eq!(url.password.as_deref(), Some("s:cret"));
        assert_eq!(format!("{url:?}"), "https://push.example:8443");
        let url = parse("http://[::1]").unwrap();
        assert_eq!((&*url.host, &*url.host_and_port(), &*url.path), ("::1", "[::1]", "/"));
        assert_eq!((url.user, url.password, url.port), (None, None, None));
    }

    #[test]
    fn what_is_none_is_refused_and_not_repeated() {
        for text in [
            "",
            "push.example",
            "ftp://secret@host/",
            "https:///path",
            "https://%ff@host/",
            "http://secret:x y@h",
            "http://user:secret/x@host/",
            "http://host:secret/",
            "http://host:65536/",
            "http://host:+80/",
            "http://host:/",
            "http://[::1]secret/",
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.ends_with("write it as https://host/path"), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
