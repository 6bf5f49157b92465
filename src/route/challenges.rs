//! Who answers challenges of ACME, for every host and before any site: whoever issues certificates for the platform.

use super::Matched;
use crate::account::{Account, Form};
use crate::base::{AccountName, DocumentHash, SiteName};
use crate::config::{Acme, Document, Site, SiteAction, Upstream};
use std::path::Path;
use std::sync::Arc;

/// Who answers challenges.
#[derive(Clone, Debug)]
pub enum Challenges {
    /// The files of this directory, each named by its token.
    Tokens(Arc<Path>),
    /// A server, as the site of an account that holds no host.
    Forward(Matched),
}

impl Challenges {
    /// As the node file says.
    pub fn new(acme: &Acme) -> Option<Self> {
        match acme {
            Acme::Tokens(directory) => Some(Self::Tokens(directory.as_path().into())),
            Acme::Forward(upstream) => {
                let action = SiteAction::Upstream(upstream.name.clone());
                let document = Document {
                    upstreams: vec![Upstream::clone(upstream)],
                    sites: vec![Site::bare(SiteName::new(NAME).ok()?, action)],
                    ..Document::bare(AccountName::new(NAME).ok()?)
                };
                let form = Form::compile(&document, DocumentHash::of(NAME.as_bytes()), 0, None);
                let account = Account::new(document.name, form);
                Some(Self::Forward(Matched::platforms(&account)))
            }
        }
    }
}

/// What the platform's own account for them is called where one has to be named.
const NAME: &str = "acme";
