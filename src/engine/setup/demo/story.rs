//! What the demo plays: a small till written in sh, its tests, and a backlog whose scripted agents do good and bad work.
//!
//! The scripts get `DEMO_DIR`: each notes its start there once, and the two long ones give signs of life until they are
//! told to go on. They need nothing but a POSIX sh and git.

use crate::domain::mission::UnitState;
use std::fmt::Write;

/// One unit of the demo's backlog.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// Unit id.
    pub id: &'static str,
    /// Title.
    pub title: &'static str,
    /// Where it has to end.
    pub ends: UnitState,
    /// Whether it works until the demo lets it go on.
    pub long: bool,
    /// What the reason must name when it does not land.
    pub why: &'static str,
    keys: &'static str,
    script: &'static str,
}

const fn landed(id: &'static str, title: &'static str, keys: &'static str, script: &'static str) -> Part {
    Part { id, title, ends: UnitState::Landed, long: false, why: "", keys, script }
}

const fn not_landed(ends: UnitState, why: &'static str, part: Part) -> Part {
    Part { ends, why, ..part }
}

const fn as_long(part: Part) -> Part {
    Part { long: true, ..part }
}

/// Renames a function and mends every caller it can see.
pub const RENAMER: &str = "rename-sum";
/// Calls the function by its old name: green alone, red together with [`RENAMER`].
pub const OLD_CALLER: &str = "average";
/// Good work that takes long: still running when `mc` comes back.
pub const LONG: &str = "stock";
/// Both add a word to the same line.
pub const SAME_LINE: [&str; 2] = ["discount", "tax"];
/// A test that is red before anybody begins: nobody's fault here.
pub const RED: &str = "nothing-to-pay";
/// A test that fails in one run and passes in the next one of the same tree.
pub const FLAKY: &str = "clock";

const ADD_DISCOUNT: &str = r#"
echo 'discount() { echo $(($1 - $1 * $2 / 100)); }' >lib/discount.sh
echo '[ "$(discount 2000 25)" = 1500 ]' >tests/discount.test.sh
feature discount
"#;
const ADD_TAX: &str = r#"
echo 'tax() { echo $(($1 + $1 * $2 / 100)); }' >lib/tax.sh
echo '[ "$(tax 1000 19)" = 1190 ]' >tests/tax.test.sh
feature tax
"#;
const RENAME: &str = r#"
for file in lib/*.sh tests/*.sh; do
    sed 's/add_up/sum_cents/g' "$file" >"$file.new" && mv "$file.new" "$file"
done
"#;
const ADD_AVERAGE: &str = r#"
echo 'average() { echo $(($(add_up "$@") / $#)); }' >lib/average.sh
echo '[ "$(average 100 300)" = 200 ]' >tests/average.test.sh
work_long
"#;
const ADD_STOCK: &str = r#"
echo 'stock() { echo $(($1 - $2)); }' >lib/stock.sh
echo '[ "$(stock 9 2)" = 7 ]' >tests/stock.test.sh
work_long
"#;
const ADD_CHANGE: &str = r#"
echo 'change() { echo $(($2 - $1)); }' >lib/change.sh
echo '[ "$(change 749 1000)" = 251 ]' >tests/change.test.sh
"#;
const ADD_COUPON: &str = r#"
echo 'coupon() { discount "$1" 10; }' >lib/coupon.sh
echo '[ "$(coupon 500)" = 450 ]' >tests/coupon.test.sh
"#;
const ADD_INVOICE: &str = r#"
echo 'invoice() { tax "$(discount "$1" "$2")" 19; }' >lib/invoice.sh
echo '[ "$(invoice 2000 50)" = 1190 ]' >tests/invoice.test.sh
"#;
const ADD_MONTH: &str = r#"
echo 'month() { echo "$(invoice "$1" 0), $(stock "$2" "$3") left"; }' >lib/month.sh
echo '[ "$(month 100 9 2)" = "119, 7 left" ]' >tests/month.test.sh
"#;

const DELETE_TEST: &str = "git rm -q tests/big.test.sh\ngit commit -qm 'Faster tests'\n";
const WAIT_FOREVER: &str = "sleep 600 &\necho 'waiting for a server that never answers'\nwait\n";
const FAIL: &str = "echo 'prices.csv: no such file'\nexit 1\n";

/// The units in the order of the backlog.
pub const PARTS: [Part; 14] = [
    landed(RENAMER, "Rename add_up to sum_cents, callers too", "- priority: 0\n", RENAME),
    not_landed(
        UnitState::Rejected,
        "average",
        as_long(landed(OLD_CALLER, "Average price (calls add_up)", "- priority: 0\n- attempts: 1\n", ADD_AVERAGE)),
    ),
    as_long(landed(LONG, "Count the stock", "- priority: 0\n", ADD_STOCK)),
    landed("discount", "Discounts", "- priority: 0\n", ADD_DISCOUNT),
    landed("tax", "Tax", "- priority: 0\n", ADD_TAX),
    landed("change", "Change to give back", "", ADD_CHANGE),
    not_landed(
        UnitState::Rejected,
        "big",
        landed("faster-tests", "Make the tests faster", "- attempts: 1\n", DELETE_TEST),
    ),
    not_landed(
        UnitState::Failed,
        "used up its time",
        landed("fetch-rates", "Fetch exchange rates", "- attempts: 1\n- timeout: 2s\n", WAIT_FOREVER),
    ),
    not_landed(
        UnitState::Failed,
        "prices.csv: no such file",
        landed("import-prices", "Import last year's prices", "- attempts: 1\n", FAIL),
    ),
    not_landed(
        UnitState::Blocked,
        "import-prices",
        landed("export-csv", "Export the prices", "- depends: import-prices\n", ""),
    ),
    not_landed(
        UnitState::Blocked,
        "import-prices",
        landed("mail-csv", "Mail the export", "- depends: export-csv\n", ""),
    ),
    landed("coupon", "Coupons", "- depends: discount\n", ADD_COUPON),
    landed("invoice", "Invoices", "- depends: discount, tax\n", ADD_INVOICE),
    landed("month", "The month at a glance", "- depends: invoice, stock\n", ADD_MONTH),
];

/// What every scripted agent begins with.
const BEGIN: &str = r#"set -eu
echo "$MC_UNIT $MC_ATTEMPT" >>"$DEMO_DIR/notes/starts"
feature() {
    sed "s/^features=\"\(.*\)\"/features=\"\1 $1\"/" lib/features.sh >lib/features.new
    mv lib/features.new lib/features.sh
}
work_long() {
    beats=0
    # It gives up by itself, should the demo be gone.
    while [ ! -e "$DEMO_DIR/notes/go.$MC_UNIT" ] && [ "$beats" -lt 3000 ]; do
        echo "$MC_ATTEMPT" >>"$DEMO_DIR/notes/beat.$MC_UNIT"
        beats=$((beats + 1))
        sleep 0.1 2>/dev/null || sleep 1
    done
    echo "$MC_ATTEMPT" >>"$DEMO_DIR/notes/done.$MC_UNIT"
}
"#;

const RUN_TESTS: &str = r#"# Runs every test in a shell of its own and prints TAP.
cd "$(dirname "$0")/.." || exit 1
number=0 status=0
for test in tests/*.test.sh; do
    number=$((number + 1)) name=${test#tests/}
    if sh -eu -c 'for part in lib/*.sh; do . "./$part"; done; . "./$1"' sh "$test"; then
        echo "ok $number - ${name%.test.sh}"
    else
        echo "not ok $number - ${name%.test.sh}"
        status=1
    fi
done
echo "1..$number"
exit "$status"
"#;

/// Fails in its third run: the first one after the two of the red base.
const CLOCK: &str = r#"# Depends on how busy the machine is, as one does.
runs=$(($(cat "$DEMO_DIR/notes/clock.runs" 2>/dev/null || echo 0) + 1))
echo "$runs" >"$DEMO_DIR/notes/clock.runs"
[ "$runs" != 3 ]
"#;

const ADD_UP: &str = "# Adds prices in cents.\nadd_up() {\n    sum=0\n    for price in \"$@\"; do sum=$((sum + price)); done\n    echo \"$sum\"\n}\n";
const FEATURES: &str = "# What the till can do; every word is a function.\nfeatures=\"receipt\"\n";

/// The shell line that says whether a tree is good.
pub const VERIFY: &str = "sh tests/run.sh";

const SETTINGS: &str = r#"[target]
name = "till"
objective = "A till a small shop can use"

[[target.verification.stage]]
name = "tests"
run = "sh tests/run.sh"
format = "tap"
timeout = "1m"

[target.verification]
# The flaky test counts its runs there.
env = ["DEMO_DIR"]

[agent]
env = ["DEMO_DIR"]

[scheduler]
# An agent whose engine is gone for longer gives up.
lease = "2m"

[scheduler.parallel]
num_workers = 5

[rounds]
max_rounds = 1
"#;

/// Files of the repository: path and content.
pub fn files() -> Vec<(&'static str, String)> {
    let fixed = [
        ("mission-control.toml", SETTINGS),
        ("tests/run.sh", RUN_TESTS),
        ("lib/features.sh", FEATURES),
        ("lib/sums.sh", ADD_UP),
        ("lib/receipt.sh", "receipt() { echo \"to pay: $(add_up \"$@\")\"; }\n"),
        ("tests/sums.test.sh", "[ \"$(add_up 250 499)\" = 749 ]\n"),
        ("tests/receipt.test.sh", "[ \"$(receipt 250 499)\" = 'to pay: 749' ]\n"),
        ("tests/features.test.sh", "for name in $features; do command -v \"$name\"; done\n"),
        ("tests/nothing-to-pay.test.sh", "# Nobody has mended this yet.\n[ \"$(receipt)\" = 'nothing to pay' ]\n"),
        ("tests/clock.test.sh", CLOCK),
        ("tests/big.test.sh", "[ \"$(receipt 1 2 3 4 5 6 7 8 9 10 11 12)\" = 'to pay: 78' ]\n"),
    ];
    let mut all: Vec<(&str, String)> = fixed.into_iter().map(|(path, text)| (path, text.to_owned())).collect();
    all.push(("BACKLOG.md", backlog()));
    all
}

fn backlog() -> String {
    let mut text =
        "# Backlog of the till\n\nIn real life `run` is absent and a coding agent gets the text.\n".to_owned();
    for part in &PARTS {
        let Part { id, title, keys, .. } = part;
        let _ = write!(text, "\n## {title}\n- id: {id}\n{keys}- run: sh \"$DEMO_DIR/agents/{id}.sh\"\n");
    }
    text
}

/// The script of a unit's agent.
pub fn script(part: &Part) -> String {
    format!("{BEGIN}{}", part.script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backlog_is_sound_and_has_every_part() {
        let parsed = crate::domain::backlog::parse(&backlog()).unwrap();
        let ids: Vec<&str> = parsed.units.iter().map(|unit| unit.id.as_str()).collect();
        assert_eq!(ids, PARTS.map(|part| part.id));
    }
}
