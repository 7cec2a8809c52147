//! Attack types.

use std::ops::{BitAnd, BitOr};

/// An attack type that the module detects itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum AttackKind {
    /// SQL injection.
    Sqli,
    /// Cross-site scripting.
    Xss,
    /// Path traversal, and files that only attackers request.
    PathTraversal,
    /// Shell commands and program code.
    CommandInjection,
    /// Expressions of template engines and expression languages.
    TemplateInjection,
    /// `${jndi:…}` (Log4Shell), also disguised.
    JndiInjection,
    /// Operators of document databases in place of a value, and commands of Redis.
    NosqlInjection,
    /// External entities in XML.
    Xxe,
    /// Line breaks that would add headers to a response.
    HeaderInjection,
    /// Text that changes an LDAP filter.
    LdapInjection,
    /// Server-side includes and edge-side includes.
    SsiInjection,
    /// Commands of mail servers and headers of mails.
    MailInjection,
    /// Vulnerability scanners, by their names and the paths they request.
    Scanner,
}

/// A word that is not the name of an attack type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown type \"{0}\": {list} are accepted", list = accepted())]
pub struct UnknownKind(String);

fn accepted() -> String {
    AttackKind::ALL.map(|kind| format!("\"{}\"", kind.as_str())).join(", ")
}

impl AttackKind {
    /// All types, in the order of the documentation.
    pub const ALL: [Self; 13] = [
        Self::Sqli,
        Self::Xss,
        Self::PathTraversal,
        Self::CommandInjection,
        Self::TemplateInjection,
        Self::JndiInjection,
        Self::NosqlInjection,
        Self::Xxe,
        Self::HeaderInjection,
        Self::LdapInjection,
        Self::SsiInjection,
        Self::MailInjection,
        Self::Scanner,
    ];

    /// Its name in configuration and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sqli => "sqli",
            Self::Xss => "xss",
            Self::PathTraversal => "path_traversal",
            Self::CommandInjection => "command_injection",
            Self::TemplateInjection => "template_injection",
            Self::JndiInjection => "jndi_injection",
            Self::NosqlInjection => "nosql_injection",
            Self::Xxe => "xxe",
            Self::HeaderInjection => "header_injection",
            Self::LdapInjection => "ldap_injection",
            Self::SsiInjection => "ssi_injection",
            Self::MailInjection => "mail_injection",
            Self::Scanner => "scanner",
        }
    }
}

impl std::str::FromStr for AttackKind {
    type Err = UnknownKind;

    fn from_str(word: &str) -> Result<Self, UnknownKind> {
        let named = Self::ALL.into_iter().find(|kind| kind.as_str() == word);
        named.ok_or_else(|| UnknownKind(word.to_owned()))
    }
}

/// A set of attack types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AttackKinds(u16);

impl AttackKinds {
    /// All types.
    pub fn all() -> Self {
        AttackKind::ALL.into_iter().fold(Self::default(), |set, kind| set | kind.into())
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the set contains a type.
    pub fn has(self, kind: AttackKind) -> bool {
        self.0 & Self::from(kind).0 != 0
    }

    /// The types of the set that `other` does not contain.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The types of the set, in the order of the documentation.
    pub fn iter(self) -> impl Iterator<Item = AttackKind> {
        AttackKind::ALL.into_iter().filter(move |kind| self.has(*kind))
    }
}

impl From<AttackKind> for AttackKinds {
    fn from(kind: AttackKind) -> Self {
        Self(1 << kind as u8)
    }
}

impl BitOr for AttackKinds {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for AttackKinds {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}
