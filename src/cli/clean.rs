//! `mc clean`: disk space and pins of missions that ended long ago.

use super::args::Clean;
use super::error::CliError;
use super::{Context, output};
use crate::config::duration;
use crate::engine::upkeep::clean::{self, Leftover, Retention, Rubbish};
use crate::report::{count, sanitize};
use serde_json::{Value, json};

pub(super) async fn clean(context: &Context, args: &Clean) -> Result<u8, CliError> {
    let older_than = duration::parse(&args.older_than)
        .map_err(|what| CliError::usage(format!("--older-than {what}"), "for example --older-than 30d"))?;
    let retention = Retention { keep: args.keep, older_than, unlanded: args.unlanded };
    let project = context.project().await?;
    let mut found = clean::find_rubbish(&project, retention).await?;
    if args.dry_run || found.is_empty() {
        if !args.dry_run {
            clean::remove_groups(&mut found);
        }
        let shown = || {
            print_rubbish(&found);
            if found.is_empty() && found.groups.is_empty() {
                output::write_line("nothing to take away");
            } else if args.dry_run {
                output::write_line("nothing was changed");
            }
        };
        return context.show(|| body(&found, false), shown);
    }
    let work: usize = if args.unlanded { found.missions.iter().map(|left| left.refs.len()).sum() } else { 0 };
    if work > 0 {
        if !context.global.json {
            print_rubbish(&found);
        }
        if !args.yes && !output::confirm_yes("delete pins of work that never landed too?") {
            return Err(CliError::usage(
                "nothing was deleted: pins of work that never landed need your yes",
                "--dry-run --unlanded names them; answer `yes` on a terminal, or give --yes",
            ));
        }
    }
    let gone = clean::remove_rubbish(&project, retention).await?;
    let done = || {
        print_rubbish(&gone);
        let freed = size(gone.bytes());
        output::write_line(&format!("{freed} freed; what was deleted is in `mc events`, journals were kept whole"))
    };
    context.show(|| body(&gone, true), done)
}

fn size(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

fn print_rubbish(rubbish: &Rubbish) {
    for left in &rubbish.missions {
        let pins = count(left.refs.len() as u64, "pin");
        output::write_line(&format!("mission {}  {pins}, {} of runs and logs", left.mission, size(left.bytes)));
        for (name, commit) in &left.refs {
            output::write_line(&format!("  {}  {name}", commit.short_id()));
        }
        for (name, commit) in &left.unlanded {
            output::write_line(&format!("  {}  {name}  stays: never landed (--unlanded)", commit.short_id()));
        }
        for folder in &left.quarantined {
            let folder = sanitize(&folder.display().to_string());
            output::write_line(&format!("  {folder}  stays: holds repositories that were set aside (--unlanded)"));
        }
    }
    let some = |list: usize, noun: &str| (list > 0).then(|| count(list as u64, noun));
    let rest = [
        some(rubbish.snapshots.len(), "snapshot").map(|n| format!("{n} that no landing and no kept mission rests on")),
        some(rubbish.verifications.len(), "verification")
            .map(|n| format!("output of {n} without a mission, {}", size(rubbish.verify_bytes))),
        some(rubbish.slots.len(), "workspace").map(|n| format!("{n} that nobody uses, {}", size(rubbish.slot_bytes))),
        some(rubbish.groups.len(), "cgroup").map(|n| format!("{n} of runs whose supervisor was killed")),
    ];
    for line in rest.into_iter().flatten() {
        output::write_line(&line);
    }
}

fn body(rubbish: &Rubbish, deleted: bool) -> Value {
    let pins = |refs: &[(String, _)]| refs.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let mission = |Leftover { mission, refs, unlanded, paths, quarantined, bytes, .. }: &Leftover| json!({"mission": mission, "refs": pins(refs), "unlanded": pins(unlanded), "paths": paths, "quarantined": quarantined, "bytes": bytes});
    json!({
        "schema": 1,
        "deleted": deleted,
        "missions": rubbish.missions.iter().map(mission).collect::<Vec<_>>(),
        "snapshots": rubbish.snapshots.len(),
        "verifications": rubbish.verifications,
        "slots": rubbish.slots,
        "groups": rubbish.groups,
        "bytes": rubbish.bytes(),
    })
}
