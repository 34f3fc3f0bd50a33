//! `mc demo`: tells what is seen while [`crate::engine::setup::demo`] plays a mission, and why it matters.

use super::error::CliError;
use super::{Context, output};
use crate::engine::setup::demo::{self, Demo, FLAKY, LONG, OLD_CALLER, PARTS, RED, Report, examine_demo};
use crate::report::text::sanitize;

/// What a newcomer has to know about the units that do not simply work.
const CAST: [(&str, &str); 5] = [
    ("discount, tax", "edit the same line: a merge conflict"),
    ("rename-sum, average", "a new name, and a new caller of the old one: red together"),
    ("faster-tests", "deletes a test"),
    ("import-prices", "fails; two more units depend on it"),
    ("fetch-rates", "never ends"),
];

pub(super) async fn demo(context: &Context, keep: bool) -> Result<u8, CliError> {
    if context.global.json {
        let hint = "`mc report --json` reports on a mission";
        return Err(CliError::usage("`mc demo` is for people, it has no JSON", hint));
    }
    let teller = Teller { quiet: context.global.quiet };
    let mut demo = Demo::make(context.global.quiet).await?;
    let told = tokio::select! {
        biased;
        interrupted = demo::wait_for_signal() => interrupted.map(|()| None).map_err(CliError::from),
        told = teller.run_story(&mut demo) => told.map(Some),
    };
    // Whatever happened, nothing of the demo may go on running.
    let left = match &told {
        Ok(Some(_)) => Vec::new(),
        Ok(None) | Err(_) => demo.end_processes().await,
    };
    for pid in &left {
        output::write_note(&format!("process {pid} of the demo could not be ended"));
    }
    let removed = if keep {
        teller.print_location(&demo);
        demo.keep();
        Ok(())
    } else {
        demo.remove()
    };
    let told = told?;
    removed?;
    if !keep {
        teller.print_line("The temporary folder is removed. `mc demo --keep` leaves it for a look.");
    }
    match told {
        Some(report) if report.all_hold() && left.is_empty() => Ok(0),
        Some(_) => Ok(1),
        None => {
            output::write_note("interrupted; what ran was ended");
            Ok(130)
        }
    }
}

struct Teller {
    quiet: bool,
}

impl Teller {
    fn print_line(&self, text: &str) {
        if !self.quiet {
            output::write_line(text);
        }
    }

    fn print_heading(&self, text: &str) {
        self.print_line("");
        self.print_line(&format!("== {text}"));
    }

    /// A killed `mc` leaves its live view behind, with the cursor at its end; it may stay to be seen.
    fn leave_view(&self) {
        if !self.quiet && output::is_terminal() {
            output::write_line("");
        }
    }

    fn print_quoted(&self, text: &str) {
        for line in text.lines() {
            self.print_line(sanitize(&format!("   | {line}")).trim_end());
        }
    }

    async fn run_story(&self, demo: &mut Demo) -> Result<Report, CliError> {
        self.print_line(
            "mc demo: a night of unattended agents in under a minute. Nothing of yours is read or changed.",
        );
        self.print_heading(&format!("1. A repository, its tests, and a backlog of {} work units", PARTS.len()));
        self.print_line(&format!("   {}", demo.repository().display()));
        self.print_line("   Scripts stand in for coding agents. Most do good work; some do what agents do at night:");
        for (units, what) in CAST {
            self.print_line(&format!("     {units:<21} {what}"));
        }
        self.print_line(&format!(
            "   Of the tests, {RED} is red from the start and {FLAKY} is flaky: neither may blame anybody."
        ));
        self.print_heading("2. mc mission start: five agents at once; only verified trees reach the branch mc/green");
        let middle = demo.run_and_kill().await?;
        self.leave_view();
        self.print_heading(&format!(
            "3. kill -9 {}: mc is gone in the middle of it, {} landed so far",
            middle.pid, middle.landed
        ));
        self.print_line(&format!("   running by the journal: {}", middle.running.join(", ")));
        let beats = demo.watch_orphans().await?;
        let beats: Vec<String> = beats.iter().map(|(unit, n)| format!("{unit} +{n}")).collect();
        self.print_line(&format!("   The agents work on without it. Signs of life since: {}.", beats.join(", ")));
        demo.finish_alone().await?;
        self.print_line(&format!(
            "   {OLD_CALLER} even finishes now. Nobody is there to see it; nothing must be lost."
        ));
        self.print_heading(&format!(
            "4. mc mission resume: takes {OLD_CALLER} (finished) and {LONG} (running) over, restarts neither"
        ));
        demo.resume().await?;
        self.print_heading("5. mc report");
        let (text, report) = demo.run_mc(&["report"]).await?;
        self.print_quoted(&text);
        self.print_heading(&format!("6. mc unit show {OLD_CALLER}: the evidence behind one refusal"));
        let (text, _) = demo.run_mc(&["unit", "show", OLD_CALLER]).await?;
        self.print_quoted(&text);
        self.print_heading("7. mc audit, and again on a copy of the journal with one byte changed");
        let (text, audit) = demo.run_mc(&["audit"]).await?;
        self.print_quoted(&text);
        let said = demo.audit_tampered().await?.to_owned();
        self.print_quoted(&said);
        self.print_heading("8. Proof: the demo looks for itself and does not take mc's word");
        let report = examine_demo(demo, report, audit).await?;
        for expectation in &report.expectations {
            let word = if expectation.holds { "ok  " } else { "FAIL" };
            self.print_line(&format!("   {word} {}", expectation.what));
            self.print_line(&format!("        {}", sanitize(&expectation.found)));
        }
        self.print_verdict(demo, &report);
        Ok(report)
    }

    fn print_verdict(&self, demo: &Demo, report: &Report) {
        let Report { attempts, runs, landings, adopted, .. } = report;
        self.print_line("");
        output::write_line(&format!(
            "{} units, {attempts} attempts, {runs} verification runs, {landings} landings, 1 kill -9, {adopted} attempts adopted, {:.1} s",
            PARTS.len(),
            demo.elapsed().as_secs_f64()
        ));
        let failed: Vec<&str> = report.expectations.iter().filter(|e| !e.holds).map(|e| e.what.as_str()).collect();
        if failed.is_empty() {
            output::write_line(&format!("All {} expectations held.", report.expectations.len()));
        } else {
            output::write_line(&format!("DID NOT HOLD: {}", failed.join("; ")));
        }
    }

    fn print_location(&self, demo: &Demo) {
        let (repository, state) = (demo.repository().display(), demo.state_dir().display());
        output::write_line(&format!("Kept in {}. Look at it:", demo.path().display()));
        output::write_line(&format!("   export MC_STATE_DIR={state}"));
        output::write_line(&format!("   mc -C {repository} report"));
        output::write_line(&format!("   mc -C {repository} unit show {OLD_CALLER}"));
        output::write_line(&format!("   git -C {repository} log --first-parent --stat main..mc/green"));
    }
}
