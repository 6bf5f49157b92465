//! A unix socket by which the parts and people of one machine talk to this process: who may, is said by its file's
//! owner, group and mode. Binds it and removes it; speaks nothing.

use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixStream};

/// A listening unix socket. Removes its file when it is dropped.
#[derive(Debug)]
pub struct PrivateSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the file, so that no one else's is removed.
    file: (u64, u64),
}

impl PrivateSocket {
    /// Binds `path`, readable and writable for the process's user and a group alone: `group`, or the process's. A socket that nobody listens on
    /// any more is replaced, in one step: there is no moment without a socket, nor one with wider permissions. The
    /// directory it stands in is made where it is missing and may be, as below /run after a boot.
    /// Call it within the runtime that will serve.
    ///
    /// # Errors
    /// `AddrInUse` when somebody listens there; `AlreadyExists` when the file is no socket; the system's.
    pub fn bind(path: &Path, group: Option<u32>) -> io::Result<Self> {
        make_directory(path)?;
        check_is_free(path)?;
        let mut fresh = path.as_os_str().to_owned();
        fresh.push(format!(".{}", std::process::id()));
        let fresh = PathBuf::from(fresh);
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let bound = bind(&fresh).and_then(|listener| {
            let status = fs::symlink_metadata(&fresh)?;
            if group.is_some() {
                chown(&fresh, None, group)?;
            }
            fs::rename(&fresh, path)?;
            Ok((listener, (status.dev(), status.ino())))
        });
        let (listener, file) = bound.inspect_err(|_| drop(fs::remove_file(&fresh)))?;
        Ok(Self { listener: UnixListener::from_std(listener.into())?, path: path.to_owned(), file })
    }

    /// The next connection.
    ///
    /// # Errors
    /// The system's.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for PrivateSocket {
    fn drop(&mut self) {
        let is_ours = |status: fs::Metadata| (status.dev(), status.ino()) == self.file;
        if fs::symlink_metadata(&self.path).is_ok_and(is_ours) {
            // What cannot be removed is replaced at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn check_is_free(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(status) if !status.file_type().is_socket() => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket"))
        }
        Ok(_) => match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                "somebody listens there: is another one running?",
            )),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
            Err(error) => Err(error),
        },
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) else {
        return Ok(());
    };
    match fs::create_dir(directory) {
        Ok(()) => fs::set_permissions(directory, fs::Permissions::from_mode(DIRECTORY_MODE)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn bind(path: &Path) -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // Linux gives the file the socket's mode, less the umask: it never has more than it shall have.
    rustix::fs::fchmod(&socket, SOCKET_MODE)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE.as_raw_mode()))?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Everybody passes through, to other sockets that stand there: who may use this one, its own mode says.
const DIRECTORY_MODE: u32 = 0o755;

/// The user the node runs as, and a group for operators.
const SOCKET_MODE: Mode = Mode::from_raw_mode(0o660);

/// Connections that wait to be accepted: more than may be open at a time.
const BACKLOG: i32 = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "local")]
    async fn others_pass_through_its_directory_and_may_not_use_it() {
        let above = tempfile::tempdir().unwrap();
        let path = above.path().join("run/socket");
        let _socket = PrivateSocket::bind(&path, None).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o755, 0o660));
    }
}
