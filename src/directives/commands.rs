//! The table of directives that NGINX reads.

use api_sessions_nginx::conf::command;
use ngx::ffi::{
    NGX_HTTP_LOC_CONF, NGX_HTTP_LOC_CONF_OFFSET, NGX_HTTP_MAIN_CONF, NGX_HTTP_MAIN_CONF_OFFSET,
    NGX_HTTP_SRV_CONF, ngx_command_t,
};

use super::application::Application;
use super::attack::AttackDirective;
use super::content_handlers::{Control, Status};
use super::deny::DenyDirective;
use super::detect::Detect;
use super::export::Export;
use super::fallback::FallbackDirective;
use super::ja4::Ja4Directive;
use super::keys::{ContextParamDirective, Mask, SessionKeyDirective, Show};
use super::rules::{RulesZone, SessionRuleDirective, SessionRulesDirective, SessionRulesExcept};
use super::secret::Secret;
use super::simple::{
    BodySize, BuiltinKeys, DetectBodySize, Enable, Follow, FullContentDirective,
    JsonTypesDirective, KeyFactsDirective, PrereadBody,
};
use super::zone::{Links, Zone};

const MAIN: u32 = NGX_HTTP_MAIN_CONF;
const ANYWHERE: u32 = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF;
const LOCATION: u32 = NGX_HTTP_LOC_CONF;

/// Ends with an empty entry, as NGINX requires.
pub(crate) static mut COMMANDS: [ngx_command_t; 30] = [
    command::<Enable>(ANYWHERE, NGX_HTTP_LOC_CONF_OFFSET),
    command::<Zone>(MAIN, NGX_HTTP_MAIN_CONF_OFFSET),
    command::<Secret>(MAIN, NGX_HTTP_MAIN_CONF_OFFSET),
    command::<Export>(MAIN, NGX_HTTP_MAIN_CONF_OFFSET),
    command::<SessionKeyDirective>(ANYWHERE, NGX_HTTP_LOC_CONF_OFFSET),
    command::<Links>(MAIN, NGX_HTTP_MAIN_CONF_OFFSET),
    command::<Follow>(ANYWHERE, NGX_HTTP_LOC_CONF_OFFSET),
    command::<BuiltinKeys>(ANYWHERE, NGX_HTTP_LOC_CONF_OFFSET),
    command::<KeyFactsDirective>(ANYWHERE, NGX_HTTP_LOC_CONF_OFFSET),
    command::<FallbackDirective>(ANYWHERE, NGX_HTTP_LOC_CONF_OFFSET),
    command::<Ja4Directive>(ANYWHERE, NGX_HTTP_LOC_CONF_OFFSET),
    command::<ContextParamDirective>(ANYWHERE, NGX_HTTP_LOC_CONF_OFFSET),
    command::<Application>(ANYWHERE, NGX_HTTP_LOC_CONF_OFFSET),
    command::<BodySize>(ANYWHERE, NGX_HTTP_LOC_CONF_OFFSET),
    command::<DetectBodySize>(ANYWHERE, NGX_HTTP_LOC_CONF_OFFSET),
    command::<JsonTypesDirective>(ANYWHERE, NGX_HTTP_LOC_CONF_OFFSET),
    command::<PrereadBody>(ANYWHERE, NGX_HTTP_LOC_CONF_OFFSET),
    command::<Mask>(ANYWHERE, NGX_HTTP_LOC_CONF_OFFSET),
    command::<Show>(ANYWHERE, NGX_HTTP_LOC_CONF_OFFSET),
    command::<FullContentDirective>(ANYWHERE, NGX_HTTP_LOC_CONF_OFFSET),
    command::<AttackDirective>(ANYWHERE, NGX_HTTP_LOC_CONF_OFFSET),
    command::<DenyDirective>(ANYWHERE, NGX_HTTP_LOC_CONF_OFFSET),
    command::<Detect>(ANYWHERE, NGX_HTTP_LOC_CONF_OFFSET),
    command::<SessionRuleDirective>(ANYWHERE, NGX_HTTP_LOC_CONF_OFFSET),
    command::<SessionRulesDirective>(ANYWHERE, NGX_HTTP_LOC_CONF_OFFSET),
    command::<SessionRulesExcept>(ANYWHERE, NGX_HTTP_LOC_CONF_OFFSET),
    command::<RulesZone>(MAIN, NGX_HTTP_MAIN_CONF_OFFSET),
    command::<Status>(LOCATION, NGX_HTTP_LOC_CONF_OFFSET),
    command::<Control>(LOCATION, NGX_HTTP_LOC_CONF_OFFSET),
    ngx_command_t::empty(),
];
