//! [`Stream`] as the reader and writer that the h2 and hyper crates drive.

use super::Stream;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        if room.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if stream.input().is_empty() {
            if !stream.is_tls() {
                let unfilled = room.initialize_unfilled();
                let count = ready!(stream.socket().poll_receive_slice(cx, unfilled))?;
                room.advance(count);
                return Poll::Ready(Ok(()));
            }
            ready!(stream.poll_fill(cx))?;
        }
        let input = stream.input();
        let count = input.len().min(room.remaining());
        room.put_slice(&input.filled()[..count]);
        input.consume(count);
        if input.is_empty() {
            input.release();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Stream::poll_write(self.get_mut(), cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Stream::poll_flush(self.get_mut(), cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Stream::poll_close_write(self.get_mut(), cx)
    }
}
