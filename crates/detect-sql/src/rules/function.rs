//! Functions and tables that exist only in databases.

use super::{Context, Reader};
use crate::tokens::{Kind, Word};
use api_sessions_values::Place;

/// Functions and names that occur only in SQL, when called or named there. Sorted.
#[rustfmt::skip]
const TELLING: &[&[u8]] = &[
    b"benchmark", b"connection_id", b"crypt_key", b"ctxsys.drithsx.sn", b"current_setting",
    b"database_to_xml", b"dbms_lock.sleep", b"dbms_pipe.receive_message",
    b"dbms_utility.sqlid_to_sqlhash", b"dbms_xmlgen", b"elt", b"extractvalue",
    b"fn_virtualfilestats", b"geometrycollection", b"group_concat", b"gtid_subset",
    b"is_srvrolemember", b"json_extract", b"json_keys", b"lo_import", b"load_extension",
    b"load_file", b"make_set", b"masterdbo", b"multipoint", b"name_const", b"opendatasource",
    b"openrowset", b"pg_ls_dir", b"pg_read_file", b"pg_sleep", b"polygon", b"procedure",
    b"query_to_xml", b"randomblob", b"regexp_substring", b"row_count", b"serverproperty",
    b"sp_executesql", b"sp_password", b"sqlite_version", b"st_latfromgeohash",
    b"sys.fn_my_permissions", b"sys_context", b"sysdatetime", b"updatexml", b"utl_http.request",
    b"utl_inaddr.get_host_address", b"utl_inaddr.get_host_name", b"wait_for_executed_gtid_set",
    b"xmltype", b"xp_cmdshell", b"xp_dirtree", b"xp_fileexist", b"xp_regread", b"zeroblob",
];

/// Functions that count only after a closing quote or inside another expression. Sorted.
#[rustfmt::skip]
const FUNCTIONS: &[&[u8]] = &[
    b"abs", b"ascii", b"bin", b"cast", b"char", b"chr", b"coalesce", b"col_name", b"concat",
    b"concat_ws", b"conv", b"convert", b"count", b"current_user", b"database", b"date",
    b"db_name", b"decode", b"dump", b"encode", b"exists", b"exp", b"export_set", b"field",
    b"floor", b"format", b"generate_series", b"greatest", b"hex", b"host_name", b"if", b"ifnull",
    b"iif", b"instr", b"interval", b"is_member", b"isnull", b"json_array", b"json_contains",
    b"json_depth", b"json_length", b"json_valid", b"last_insert_id", b"least", b"left", b"len",
    b"length", b"like", b"likely", b"locate", b"lower", b"lpad", b"md5", b"mid", b"nchar", b"now",
    b"nullif", b"object_id", b"ord", b"pi", b"position", b"power", b"quote", b"rand",
    b"regexp_like", b"replace", b"reverse", b"right", b"row", b"rpad", b"schema", b"select",
    b"session_user", b"sha1", b"sign", b"sleep", b"soundex", b"space", b"sqlite_version",
    b"strcmp", b"substr", b"substring", b"system_user", b"time", b"to_char", b"trim", b"typeof",
    b"uncompress", b"unhex", b"unistr", b"upper", b"user", b"uuid", b"values", b"version",
];

/// Whether databases have a function of this name, in lower case.
pub(super) fn is_known(name: &[u8]) -> bool {
    is_common(name) || is_only_of_databases(name)
}

/// Whether other languages have a function of this name too.
pub(super) fn is_common(name: &[u8]) -> bool {
    FUNCTIONS.binary_search(&name).is_ok()
}

/// Whether only databases have a function of this name.
pub(super) fn is_only_of_databases(name: &[u8]) -> bool {
    TELLING.binary_search(&name).is_ok()
}

impl Reader<'_, '_> {
    pub(super) fn is_telling(&self, index: usize) -> bool {
        let text = self.text(index);
        text.starts_with(b"information_schema.")
            || text.starts_with(b"@@version")
            || text.starts_with(b"@@datadir")
            || text.starts_with(b"@@host")
            || text.starts_with(b"mysql.")
            || text.starts_with(b"pg_catalog.")
            || text.starts_with(b"sys.")
            || text.starts_with(b"sysibm.")
            || text.starts_with(b"syscat.")
            || text.starts_with(b"@@server")
            || matches!(
                text,
                b"sysobjects"
                    | b"syscolumns"
                    | b"sqlite_master"
                    | b"pg_shadow"
                    | b"pg_user"
                    | b"all_tables"
                    | b"all_tab_columns"
                    | b"user_tab_columns"
                    | b"v$version"
                    | b"sysusers"
                    | b"syslogins"
                    | b"pg_database"
                    | b"user_tables"
                    | b"rdb$database"
                    | b"sysibm.sysdummy1"
                    | b"msysobjects"
                    | b"master..sysdatabases"
                    | b"dba_users"
                    | b"all_users"
                    | b"tab_columns"
                    | b"master"
                    | b"@@servername"
                    | b"pg_tables"
                    | b"pg_class"
                    | b"msysaccessobjects"
            )
            || self.is_sign(index + 1, b'(') && (is_only_of_databases(text) || text == b"sleep")
    }

    /// A function that exists only in databases, called alone or in an expression.
    pub(super) fn telling(&self, index: usize, context: Context) -> bool {
        let text = self.text(index);
        if text.len() < 3 || self.view.is_prose() {
            return false;
        }
        let called = self.is_sign(index + 1, b'(');
        if called
            && is_only_of_databases(text)
            && !context.is_query
            && text != b"elt"
            && text != b"polygon"
        {
            return !matches!(self.view.place, Place::Text | Place::Whole) || context.is_value;
        }
        if called && text == b"sleep" {
            let before = index.checked_sub(1).and_then(|index| self.kind(index));
            let number = self.kind(index + 2) == Some(Kind::Number)
                || self.is_sign(index + 2, b'(')
                || matches!(self.kind(index + 2), Some(Kind::Quote(_)));
            let joined = matches!(
                before,
                Some(Kind::Word(Word::AndOr | Word::Select | Word::Not))
                    | Some(Kind::Logic)
                    | Some(Kind::Compare)
                    | Some(Kind::Sign(b'-' | b'+' | b'*' | b'^' | b'|' | b'&' | b',' | b'('))
            );
            return number
                && (joined
                    || index == 0
                        && (self.view.place != Place::Text || self.view.low.len() < 20)
                        && self.view.low.len() < 64
                    || context.quote.is_some_and(|quote| quote < index)
                        && matches!(before, Some(Kind::Quote(_))));
        }
        // `char(113)+char(98)`, `chr(65)||chr(66)`.
        called
            && matches!(text, b"char" | b"chr" | b"nchar")
            && self.kind(index + 2) == Some(Kind::Number)
            && (index + 4..index + 12).any(|at| {
                matches!(self.text(at), b"char" | b"chr" | b"nchar")
                    && matches!(
                        self.kind(at.saturating_sub(1)),
                        Some(Kind::Sign(b'+' | b',') | Kind::Logic)
                    )
                    && self.is_sign(at + 1, b'(')
            })
            && self.view.place != Place::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order() {
        assert!(TELLING.is_sorted_by(|one, two| one < two));
        assert!(FUNCTIONS.is_sorted_by(|one, two| one < two));
    }
}
