//! WebSocket messages of 125 bytes: the longest whose frame needs no further length (RFC 6455 §5.2).

use crate::Outcome;
use crate::answer::Stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Sends one message and reads its echo.
pub async fn echo(stream: &mut dyn Stream) -> Outcome<()> {
    let mut frame = [b'w'; 6 + MESSAGE];
    frame[..6].copy_from_slice(&[0x82, 0x80 | MESSAGE as u8, 1, 2, 3, 4]);
    mask([1, 2, 3, 4], &mut frame[6..]);
    stream.write_all(&frame).await?;
    stream.flush().await?;
    let mut echoed = [0; 2 + MESSAGE];
    stream.read_exact(&mut echoed).await?;
    if echoed[..2] != [0x82, MESSAGE as u8] || echoed[2..] != [b'w'; MESSAGE] {
        return Err("another message than the one sent".into());
    }
    Ok(())
}

/// Sends back what comes until the visitor leaves.
pub async fn answer(stream: &mut (impl Stream + ?Sized)) -> Outcome<()> {
    let mut frame = [0; 6 + MESSAGE];
    while stream.read_exact(&mut frame).await.is_ok() {
        let [_, _, a, b, c, d, ref mut message @ ..] = frame;
        mask([a, b, c, d], message);
        // A server's frame has no mask: two bytes less four come before the message.
        frame[4..6].copy_from_slice(&[0x82, MESSAGE as u8]);
        stream.write_all(&frame[4..]).await?;
    }
    Ok(())
}

fn mask(key: [u8; 4], message: &mut [u8]) {
    for (byte, key) in message.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// The key of every handshake: the one of RFC 6455 §1.3, whose answer needs no computing.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The answer to [`KEY`].
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const MESSAGE: usize = 125;
