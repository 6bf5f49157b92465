//! What pages say, in every language: of each cause a sentence that a visitor understands. Names no account, no address and
//! nothing of the machine.

use super::Language::{self, English, French};
use crate::base::{Blame, Cause};

/// What a status is called.
pub fn title(status: u16, language: Language) -> &'static str {
    let french = match (language, status) {
        (French, 400) => "Requête incorrecte",
        (French, 403) => "Accès refusé",
        (French, 404) => "Page introuvable",
        (French, 408) => "Requête trop lente",
        (French, 410) => "Page supprimée",
        (French, 413) => "Contenu trop volumineux",
        (French, 414) => "Adresse trop longue",
        (French, 417) => "Attente impossible à satisfaire",
        (French, 421) => "Requête mal dirigée",
        (French, 429) => "Trop de requêtes",
        (French, 431) => "En-têtes trop volumineux",
        (French, 451) => "Indisponible pour raisons légales",
        (French, 500) => "Erreur interne",
        (French, 501) => "Non pris en charge",
        (French, 502) => "Réponse incorrecte du serveur du site",
        (French, 503) => "Service indisponible",
        (French, 504) => "Le serveur du site ne répond pas",
        (French, 505) => "Version de HTTP non prise en charge",
        (French, 508) => "Boucle détectée",
        _ => "",
    };
    if french.is_empty() { super::reason(status) } else { french }
}

/// Whose fault it is, where that helps the visitor.
pub fn fault(blame: Blame, language: Language) -> &'static str {
    match (blame, language) {
        (Blame::Client | Blame::Limit, _) => "",
        (Blame::Site, English) => "The fault lies with this web site, not with your browser or connection.",
        (Blame::Site, French) => {
            "Le problème vient de ce site web, pas de votre navigateur ni de votre connexion."
        }
        (Blame::Us, English) => "The fault lies with the hosting platform, not with this web site.",
        (Blame::Us, French) => "Le problème vient de l’hébergeur, pas de ce site web.",
    }
}

/// What the id of the request is for.
pub fn quote(language: Language) -> &'static str {
    match language {
        English => "If you ask for help, please give this reference:",
        French => "Si vous demandez de l’aide, merci d’indiquer cette référence :",
    }
}

/// What happened.
pub fn text(cause: Cause, language: Language) -> &'static str {
    match language {
        English => english(cause),
        French => french(cause),
    }
}

fn english(cause: Cause) -> &'static str {
    match cause {
        Cause::BadRequest | Cause::NotImplemented | Cause::ExpectationFailed | Cause::VersionNotSupported => {
            "The request could not be understood."
        }
        Cause::HeaderTooLarge => {
            "The request carries more or larger header fields than are accepted. Deleting this site's cookies may help."
        }
        Cause::UrlTooLong => "The address is longer than is accepted.",
        Cause::BodyTooLarge => "What was sent is larger than this site accepts.",
        Cause::HeaderTimeout | Cause::BodyTimeout => "The request did not arrive in time.",
        Cause::Misdirected => "This connection is not for this site. Reloading the page should help.",
        Cause::ClientGone | Cause::ClientStalled => "The connection ended early.",
        Cause::Loop => "The request came back to where it had been before.",
        Cause::UnknownHost => "There is no site with this name here.",
        Cause::UnknownPath => "There is nothing at this address.",
        Cause::Maintenance => "This site is under maintenance and will be back soon.",
        Cause::Suspended => "This site is not available at the moment.",
        Cause::Rate | Cause::ClientLimit => {
            "Too many requests arrived in a short time. Please try again in a moment."
        }
        Cause::Denied => "Access to this site is not allowed from here.",
        Cause::QueueFull | Cause::QueueTimeout | Cause::TunnelLimit => {
            "This site has more visitors than it can serve right now. Please try again in a moment."
        }
        Cause::ConnectTimeout | Cause::TimedOut | Cause::UpstreamStalled | Cause::AnswerStalled => {
            "This site's server did not answer in time."
        }
        Cause::StartFailed => "This site's server could not be started.",
        Cause::OutOfMemory => "This site's server ran out of memory.",
        Cause::StartTimeout => {
            "This site's server is being started and was not ready in time. Please try again in a moment."
        }
        Cause::Refused
        | Cause::Unreachable
        | Cause::DnsError
        | Cause::Prohibited
        | Cause::UpstreamTls
        | Cause::UpstreamCertificate => "This site's server could not be reached.",
        Cause::Closed
        | Cause::InvalidAnswer
        | Cause::AnswerHeaderTooLarge
        | Cause::AnswerIncomplete
        | Cause::UpgradeFailed => "This site's server gave no valid answer.",
        Cause::Overloaded => {
            "The server has more to do than it can handle right now. Please try again in a moment."
        }
        Cause::Internal => "Something went wrong on our side.",
    }
}

fn french(cause: Cause) -> &'static str {
    match cause {
        Cause::BadRequest | Cause::NotImplemented | Cause::ExpectationFailed | Cause::VersionNotSupported => {
            "La requête n’a pas pu être comprise."
        }
        Cause::HeaderTooLarge => {
            "La requête comporte des en-têtes trop nombreux ou trop volumineux. Supprimer les cookies de ce site peut aider."
        }
        Cause::UrlTooLong => "L’adresse est trop longue pour être acceptée.",
        Cause::BodyTooLarge => "Le contenu envoyé est plus volumineux que ce site ne l’accepte.",
        Cause::HeaderTimeout | Cause::BodyTimeout => "La requête n’est pas arrivée à temps.",
        Cause::Misdirected => {
            "Cette connexion n’est pas destinée à ce site. Recharger la page devrait suffire."
        }
        Cause::ClientGone | Cause::ClientStalled => "La connexion s’est terminée trop tôt.",
        Cause::Loop => "La requête est revenue à un endroit où elle était déjà passée.",
        Cause::UnknownHost => "Aucun site ne porte ce nom ici.",
        Cause::UnknownPath => "Il n’y a rien à cette adresse.",
        Cause::Maintenance => "Ce site est en maintenance et sera bientôt de retour.",
        Cause::Suspended => "Ce site n’est pas disponible pour le moment.",
        Cause::Rate | Cause::ClientLimit => {
            "Trop de requêtes sont arrivées en peu de temps. Merci de réessayer dans un instant."
        }
        Cause::Denied => "L’accès à ce site n’est pas autorisé depuis votre adresse.",
        Cause::QueueFull | Cause::QueueTimeout | Cause::TunnelLimit => {
            "Ce site a plus de visiteurs qu’il ne peut en servir. Merci de réessayer dans un instant."
        }
        Cause::ConnectTimeout | Cause::TimedOut | Cause::UpstreamStalled | Cause::AnswerStalled => {
            "Le serveur de ce site n’a pas répondu à temps."
        }
        Cause::StartFailed => "Le serveur de ce site n’a pas pu démarrer.",
        Cause::OutOfMemory => "Le serveur de ce site a manqué de mémoire.",
        Cause::StartTimeout => {
            "Le serveur de ce site est en cours de démarrage et n’a pas été prêt à temps. Merci de réessayer dans un instant."
        }
        Cause::Refused
        | Cause::Unreachable
        | Cause::DnsError
        | Cause::Prohibited
        | Cause::UpstreamTls
        | Cause::UpstreamCertificate => "Le serveur de ce site n’a pas pu être joint.",
        Cause::Closed
        | Cause::InvalidAnswer
        | Cause::AnswerHeaderTooLarge
        | Cause::AnswerIncomplete
        | Cause::UpgradeFailed => "Le serveur de ce site n’a pas donné de réponse valable.",
        Cause::Overloaded => {
            "Le serveur a plus à faire qu’il ne peut en traiter. Merci de réessayer dans un instant."
        }
        Cause::Internal => "Une erreur s’est produite de notre côté.",
    }
}
