//! `mc green show|rollback`: the green branch, and taking it back.

use super::error::CliError;
use super::{Context, output};
use crate::engine::error::EngineError;
use crate::engine::inspect::views;
use crate::engine::upkeep::rollback::{self, Gone, Rollback, Stand};
use crate::report::{count, sanitize};
use serde_json::{Value, json};

pub(super) async fn show(context: &Context) -> Result<u8, CliError> {
    let project = context.project().await?;
    let green = views::read_green(&project).await?;
    let landed = views::list_landed(&project, &green).await?;
    let stands = rollback::list_stands(&project).await?;
    if context.global.json {
        let units: Vec<_> = landed.iter().map(|(unit, commit)| json!({"unit": unit, "commit": commit})).collect();
        output::write_json(&json!({
            "schema": 1,
            "ref": green.name,
            "commit": green.tip.as_ref().map(|tip| &tip.commit),
            "tree": green.tip.as_ref().map(|tip| &tip.tree),
            "landed": units,
            "rollback_to": stands.iter().map(stand_json).collect::<Vec<_>>(),
        }));
        return Ok(0);
    }
    match &green.tip {
        None => output::write_line(&format!("{} does not exist yet; `mc mission start` makes it", green.branch())),
        Some(tip) => output::write_line(&format!("{} is at {}", green.branch(), tip.commit)),
    };
    for (unit, commit) in &landed {
        output::write_line(&format!("  {}  {unit}", commit.short_id()));
    }
    let earlier: Vec<&Stand> = stands.iter().filter(|stand| green.tip.as_ref() != Some(&stand.tip)).collect();
    if !earlier.is_empty() {
        output::write_line("\nverified places it can go back to (`mc green rollback CHECKPOINT|COMMIT|UNIT`)");
        for stand in earlier {
            output::write_line(&format!("  {}  {}", stand.tip.commit.short_id(), describe_stand(stand)));
        }
    }
    output::write_line(&format!("next: {}", views::read_status(&project, None).await?.next_command()));
    Ok(0)
}

fn describe_stand(stand: &Stand) -> String {
    let what = match &stand.unit {
        Some(unit) => format!("landing of {unit}"),
        None => "base, or the target branch or the progress of a round taken in".to_owned(),
    };
    if stand.checkpoints.is_empty() { what } else { format!("{what}, checkpoint {}", stand.checkpoints.join(", ")) }
}

fn stand_json(stand: &Stand) -> Value {
    json!({
        "commit": stand.tip.commit,
        "tree": stand.tip.tree,
        "mission": stand.mission,
        "unit": stand.unit,
        "checkpoints": stand.checkpoints,
    })
}

pub(super) async fn rollback(context: &Context, target: &str, yes: bool, dry: bool) -> Result<u8, CliError> {
    let project = context.project().await?;
    let Some(plan) = rollback::plan(&project, target).await? else {
        let nothing = || json!({"schema": 1, "moved": false, "goes": []});
        return context.show(nothing, || output::write_line("green stands there already; nothing was changed"));
    };
    if dry {
        return context.show(
            || body(&plan, None),
            || {
                print_plan(&plan);
                if let Some(refusal) = &plan.not_now {
                    output::write_line(&format!("not at this moment: {}. {}", refusal.reason, refusal.hint));
                }
                output::write_line("nothing was changed")
            },
        );
    }
    if let Some(refusal) = &plan.not_now {
        return Err(EngineError::Refused(refusal.clone()).into());
    }
    if !context.global.json {
        print_plan(&plan);
    }
    if !yes && !output::confirm_yes("move green back?") {
        return Err(CliError::usage(
            "nothing was changed: moving green back needs your yes",
            "answer `yes` on a terminal, or give --yes; --dry-run only shows what would go",
        ));
    }
    let n = rollback::run(&project, &plan).await?;
    let done = || {
        output::write_line(&format!("green is at {}", plan.to.tip.commit));
        output::write_line(&format!("everything it had is pinned at refs/mc/rolled-back/{n}"));
        output::write_line("next: `mc mission start` plans what was taken back again, if the backlog still asks for it")
    };
    context.show(|| body(&plan, Some(n)), done)
}

fn body(plan: &Rollback, n: Option<u64>) -> Value {
    let gone = |gone: &Gone| json!({"mission": gone.mission, "unit": gone.unit, "commit": gone.commit});
    json!({
        "schema": 1,
        "moved": n.is_some(),
        "from": plan.from.commit,
        "to": stand_json(&plan.to),
        "goes": plan.goes.iter().map(gone).collect::<Vec<_>>(),
        "target_keeps": plan.target_keeps,
        "pinned": n.map(|n| format!("refs/mc/rolled-back/{n}")),
    })
}

fn print_plan(plan: &Rollback) {
    let (from, to) = (plan.from.commit.short_id(), plan.to.tip.commit.short_id());
    output::write_line(&match &plan.to.unit {
        Some(unit) => format!("green goes from {from} back to {to}: just after {unit} landed; {unit} stays"),
        None => format!("green goes from {from} back to {to}: {}", describe_stand(&plan.to)),
    });
    output::write_line(&format!("{} taken back", count(plan.goes.len() as u64, "landing")));
    for gone in &plan.goes {
        let what = match (&gone.unit, gone.bookkeeping) {
            (Some(unit), _) => unit.to_string(),
            (None, Some(round)) => format!("progress of round {round}"),
            (None, None) => "the target branch".to_owned(),
        };
        output::write_line(&format!("  {}  {what}  (mission {})", gone.commit.short_id(), gone.mission));
    }
    if plan.goes.iter().any(|gone| gone.bookkeeping.is_some()) {
        output::write_line(
            "the marks in BACKLOG.md that came with it go too: what was refused, failed or held is planned again",
        );
    }
    if let Some(branch) = &plan.target_keeps {
        output::write_line(&format!(
            "note: {} contains some of it, so the next mission takes it in again; revert it there too",
            sanitize(branch)
        ));
    }
}
