//! The style sheet, the scripts and the pictures: embedded, compressed once, named by their hash
//! and cached for ever.

use std::{collections::HashMap, io::Write, sync::LazyLock};

use axum::{
    Router,
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use data_encoding::HEXLOWER;
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

use super::state::App;

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!("../../static/", $name)).as_slice())),*]
    };
}

const FILES: &[(&str, &[u8])] = &embedded![
    "style.css",
    "icon.svg",
    "form.js",
    "captcha.js",
    "email.js",
    "password.js",
    "region.js",
    "times.js",
    "waiting.js",
];

/// Each file by its hashed name.
static BY_HASHED_NAME: LazyLock<HashMap<String, StaticFile>> = LazyLock::new(|| {
    FILES.iter().map(|&(name, bytes)| (hashed_name(name, bytes), StaticFile::new(name, bytes))).collect()
});

/// Each file's address by its plain name.
static ADDRESSES: LazyLock<HashMap<&str, String>> = LazyLock::new(|| {
    FILES.iter().map(|&(name, bytes)| (name, format!("/static/{}", hashed_name(name, bytes)))).collect()
});

struct StaticFile {
    content_type: &'static str,
    plain: &'static [u8],
    compressed: Vec<u8>,
}

/// The address under which a page asks for one of our files.
///
/// # Panics
/// Where there is no such file: a template names one that is not embedded.
pub fn address(name: &str) -> &'static str {
    ADDRESSES.get(name).unwrap_or_else(|| panic!("static/{name} is not embedded"))
}

/// `GET /static/{hashed name}`.
pub fn routes() -> Router<App> {
    Router::new().route("/static/{name}", get(show))
}

async fn show(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(file) = BY_HASHED_NAME.get(&name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let constant = [
        (header::CONTENT_TYPE, file.content_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::VARY, "accept-encoding"),
    ];
    if accepts_gzip(&headers) {
        (constant, [(header::CONTENT_ENCODING, "gzip")], file.compressed.as_slice()).into_response()
    } else {
        (constant, file.plain).into_response()
    }
}

/// Whether the browser takes gzip (RFC 9110, section 12.5.3), which every one does.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted =
        headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|coding| matches!(coding.trim(), "gzip" | "*"))
}

impl StaticFile {
    fn new(name: &str, plain: &'static [u8]) -> Self {
        let content_type = match name.rsplit_once('.') {
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml",
            _ => "application/octet-stream",
        };
        Self {
            content_type,
            plain,
            compressed: gzip(plain).unwrap_or_else(|_| unreachable!("memory takes bytes")),
        }
    }
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// `style.css` becomes `style.0123456789abcdef.css`.
fn hashed_name(name: &str, bytes: &[u8]) -> String {
    let hash = HEXLOWER.encode(&Sha256::digest(bytes)[..8]);
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, "bin"));
    format!("{stem}.{hash}.{ending}")
}
