//! A connection to the mail service on which every reply has an end.
//!
//! lettre parses a reply anew with each of its lines and never pauses meanwhile, so a long one would
//! keep a thread of this process busy while our time limits get no turn. Here what has been read
//! since we last wrote is counted, and reading fails before lettre sees too much of it.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// How many bytes one reply may have: RFC 5321, section 4.5.3.1.5, allows 512 octets for a line, and
/// replies have few.
const REPLY_BYTES: usize = 8 * 1024;
/// How many lines one reply may have.
const REPLY_LINES: usize = 100;
/// Where TLS is spoken above this stream, a server's part of the handshake brings its certificates
/// and needs more room. It begins with this byte (RFC 8446, section 5.1), as no reply does.
const HANDSHAKE: u8 = 22;
const HANDSHAKE_BYTES: usize = 16 * 1024;

/// A stream that fails with `InvalidData` where a reply is too long, and with `UnexpectedEof` where
/// it is cut off.
#[derive(Debug)]
pub(super) struct MeasuredStream<S> {
    stream: S,
    peer: SocketAddr,
    read: Read,
}

/// What has been read since we last wrote.
#[derive(Debug, Default)]
struct Read {
    bytes: usize,
    lines: usize,
    is_handshake: bool,
}

impl MeasuredStream<TcpStream> {
    /// Plain text, or TLS that is agreed on later (STARTTLS) and then counted as it travels.
    pub fn plain(stream: TcpStream) -> io::Result<Self> {
        let peer = stream.peer_addr()?;
        Ok(Self { stream, peer, read: Read::default() })
    }
}

impl MeasuredStream<TlsStream<TcpStream>> {
    /// TLS from its first byte (RFC 8314).
    pub fn wrapped(stream: TlsStream<TcpStream>) -> io::Result<Self> {
        let peer = stream.get_ref().0.peer_addr()?;
        Ok(Self { stream, peer, read: Read::default() })
    }
}

impl Read {
    fn count(&mut self, more: &[u8]) -> io::Result<()> {
        let Some(first) = more.first() else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        if self.bytes == 0 {
            self.is_handshake = *first == HANDSHAKE;
        }
        self.bytes += more.len();
        self.lines += more.iter().filter(|byte| **byte == b'\n').count();
        let is_too_long = if self.is_handshake {
            self.bytes > HANDSHAKE_BYTES
        } else {
            self.bytes > REPLY_BYTES || self.lines > REPLY_LINES
        };
        if is_too_long {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the reply is too long"));
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for MeasuredStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        Poll::Ready(self.read.count(&buf.filled()[before..]))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for MeasuredStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.read = Read::default();
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S> AsyncTokioStream for MeasuredStream<S>
where
    Self: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug,
{
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// Our end, and the mail service's.
    async fn connected() -> (MeasuredStream<TcpStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (MeasuredStream::plain(ours).unwrap(), listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn what_we_write_begins_a_new_count() {
        let (mut ours, mut theirs) = connected().await;
        let longest = [b'x'; REPLY_BYTES];
        for _ in 0..3 {
            theirs.write_all(&longest).await.unwrap();
            ours.read_exact(&mut [0; REPLY_BYTES]).await.unwrap();
            ours.write_all(b"NOOP\r\n").await.unwrap();
        }
        for _ in 0..2 {
            theirs.write_all(&longest).await.unwrap();
        }
        let error = ours.read_exact(&mut [0; 2 * REPLY_BYTES]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[tokio::test]
    async fn lines_are_counted_as_well_as_bytes() {
        let (mut ours, mut theirs) = connected().await;
        let mut lines = vec![b'\n'; REPLY_LINES];
        theirs.write_all(&lines).await.unwrap();
        ours.read_exact(&mut lines).await.unwrap();
        theirs.write_all(b"\n").await.unwrap();
        assert_eq!(ours.read_u8().await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[tokio::test]
    async fn a_handshake_may_be_longer_than_a_reply_but_not_endless() {
        let (mut ours, mut theirs) = connected().await;
        let mut certificates = vec![b'\n'; HANDSHAKE_BYTES];
        certificates[0] = HANDSHAKE;
        theirs.write_all(&certificates).await.unwrap();
        ours.read_exact(&mut certificates).await.unwrap();
        theirs.write_all(b"x").await.unwrap();
        assert_eq!(ours.read_u8().await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[tokio::test]
    async fn an_end_is_an_error() {
        let (mut ours, theirs) = connected().await;
        drop(theirs);
        assert_eq!(ours.read(&mut [0; 8]).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
