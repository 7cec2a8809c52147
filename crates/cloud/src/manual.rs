//! The manual page: one for the program and its subcommands.

use std::io::{Result, Write};

use clap::Command;
use clap_mangen::Man;

/// Writes the manual page of a program in roff.
///
/// # Errors
/// Writing to `out` fails.
pub fn render(command: Command, out: &mut impl Write) -> Result<()> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let page = Man::new(command.clone());
    page.render_title(out)?;
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    page.render_options_section(out)?;
    writeln!(out, ".SH SUBCOMMANDS")?;
    for subcommand in visible(&command) {
        render_subcommand(subcommand, out)?;
    }
    out.write_all(FILES.as_bytes())?;
    page.render_version_section(out)
}

const FILES: &str = ".SH FILES
.TP
/etc/api\\-sessions/cloud.toml
Configuration of the packaged service, and of subcommands without \\fB\\-\\-config\\fR, \\fB\\-\\-data\\fR and \
\\fB\\-\\-store\\fR
.TP
/var/lib/api\\-sessions
Store and tokens of the packaged service
.SH SEE ALSO
api\\-sessions(7), systemctl(1)
";

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set())
}

/// Writes a subsection with the subcommand's own arguments, or one for each of its subcommands.
fn render_subcommand(subcommand: &Command, out: &mut impl Write) -> Result<()> {
    if subcommand.has_subcommands() {
        for nested in visible(subcommand) {
            render_subcommand(nested, out)?;
        }
        return Ok(());
    }
    let name = subcommand.get_bin_name().unwrap_or_else(|| subcommand.get_name());
    let own = subcommand.clone().mut_args(|argument| {
        let is_shared = argument.is_global_set() || argument.get_id() == "help";
        argument.hide(is_shared)
    });
    let usage = own.get_positionals().map(|argument| format!(" {argument}")).collect::<String>();
    writeln!(out, ".SS {}{}", name.replace('-', "\\-"), usage.replace('-', "\\-"))?;
    let page = Man::new(own.disable_help_flag(true));
    let (mut description, mut options) = (Vec::new(), Vec::new());
    page.render_description_section(&mut description)?;
    page.render_options_section(&mut options)?;
    out.write_all(without_heading(&description))?;
    out.write_all(without_heading(&options))
}

/// A section without its heading.
fn without_heading(section: &[u8]) -> &[u8] {
    let is_heading = |line: &[u8]| line.starts_with(b".SH");
    let start = section.split_inclusive(|byte| *byte == b'\n').scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some((start, line))
    });
    let mut after = start.skip_while(|(_, line)| !is_heading(line)).skip(1);
    after.next().map_or(&[], |(start, _)| &section[start..])
}
