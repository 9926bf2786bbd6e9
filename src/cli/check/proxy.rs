use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use anyhow::{Context, ensure};
use axum::{
    body::{self, Body},
    http::{HeaderName, Request, StatusCode, header},
};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::rustls::pki_types::ServerName;

use super::Finding;
use crate::{
    platform::{config::Config, tls},
    web::client_address::{Forwarding, Seen, X_FORWARDED_FOR, is_trusted},
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// No answer is longer, in bytes.
const LONGEST: usize = 1_000;
/// Nobody has this address (RFC 5737).
const FORGED: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 254));
const PATH: &str = "/healthz/client";

/// What the site sees of a client that comes by way of `PUBLIC_URL`, and of one that lies about its address.
pub async fn findings(config: &Config) -> Vec<Finding> {
    let (seen, own) = match ask(config, None).await {
        Ok(answer) => answer,
        Err(error) => {
            let url = config.public_url.origin();
            let to_do = "serve the site, and let the proxy pass everything on to VESTIBULE_LISTEN";
            return vec![Finding::bad("proxy", format!("{url}: {error:#}"), to_do)];
        }
    };
    vec![
        headers(config, seen, own),
        forged(config, seen, X_FORWARDED_FOR, FORGED.to_string()).await,
        forged(config, seen, header::FORWARDED, format!("for={FORGED}")).await,
    ]
}

/// What a request tells that came as people's do; `own` is the address that this machine has towards `PUBLIC_URL`.
fn headers(config: &Config, seen: Seen, own: IpAddr) -> Finding {
    let address = seen.address;
    match seen.forwarding {
        Forwarding::NotBelieved => Finding::bad(
            "proxy",
            format!("its headers are not believed: everybody behind it counts as {address}"),
            format!(
                "add {address} to VESTIBULE_TRUSTED_PROXIES, where that is the proxy; and let it write one of \
                 X-Forwarded-For and Forwarded, and drop the other"
            ),
        ),
        Forwarding::None if config.public_url.is_https() || address != own => Finding::bad(
            "proxy",
            format!(
                "no X-Forwarded-For and no Forwarded arrives: everybody behind the proxy counts as {address}"
            ),
            "let the proxy write X-Forwarded-For with its client's address",
        ),
        Forwarding::None => {
            Finding::good("proxy", format!("there is none; this machine is seen as {address}"))
        }
        Forwarding::Believed if is_trusted(address, &config.trusted_proxies) && address != own => {
            Finding::bad(
                "proxy",
                format!("this machine is seen as {address}, which VESTIBULE_TRUSTED_PROXIES names"),
                "let VESTIBULE_TRUSTED_PROXIES name nobody but the proxies",
            )
        }
        Forwarding::Believed => Finding::good("proxy", format!("this machine is seen as {address}")),
    }
}

/// What a request tells that brings this header, made up; `honest` is what one told that brought none.
async fn forged(config: &Config, honest: Seen, name: HeaderName, value: String) -> Finding {
    match ask(config, Some((&name, value))).await {
        Ok((seen, own)) if seen.address == FORGED => Finding::bad(
            "proxy",
            format!("whoever sends {name} can choose the address they count as"),
            if is_trusted(own, &config.trusted_proxies) {
                "run this on a machine that VESTIBULE_TRUSTED_PROXIES does not name: this one is believed whatever it \
                 says"
            } else {
                "let the proxy write or drop that header, and VESTIBULE_TRUSTED_PROXIES name nobody but the proxy"
            },
        ),
        // It contradicts what the proxy wrote, and so neither counts.
        Ok((seen, _)) if seen.address != honest.address => Finding::bad(
            "proxy",
            format!("whoever sends {name} counts as {}, and hides their own address", seen.address),
            "let the proxy drop that header",
        ),
        Ok(_) => Finding::good("proxy", format!("a made-up {name} is not believed")),
        Err(error) => {
            let url = config.public_url.origin();
            Finding::bad("proxy", format!("{url}: {error:#}"), "look into the proxy's log")
        }
    }
}

/// Asks for whom the site takes us, by way of `PUBLIC_URL`; with the address that we have on the way there.
async fn ask(config: &Config, forged: Option<(&HeaderName, String)>) -> anyhow::Result<(Seen, IpAddr)> {
    timeout(PATIENCE, ask_patiently(config, forged)).await.context("no answer in time")?
}

async fn ask_patiently(
    config: &Config,
    forged: Option<(&HeaderName, String)>,
) -> anyhow::Result<(Seen, IpAddr)> {
    let url = &config.public_url;
    let host = url.host().trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, url.port())).await?;
    let own = stream.local_addr()?.ip().to_canonical();
    let authority = url.origin();
    let (_, authority) = authority.split_once("://").context("an address has a scheme")?;
    let mut request = Request::get(PATH).header(header::HOST, authority);
    if let Some((name, value)) = forged {
        request = request.header(name, value);
    }
    let request = request.body(Body::empty())?;
    let seen = if url.is_https() {
        let name = ServerName::try_from(host.to_owned())?;
        exchange(tls::connector()?.connect(name, stream).await?, request).await?
    } else {
        exchange(stream, request).await?
    };
    Ok((seen, own))
}

/// One request and its answer.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Body>,
) -> anyhow::Result<Seen> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let status = response.status();
    ensure!(status == StatusCode::OK, "{PATH} is answered by {status}");
    let body = body::to_bytes(Body::new(response.into_body()), LONGEST).await?;
    serde_json::from_slice(&body).context("what answers is not this site")
}
