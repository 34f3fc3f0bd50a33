//! Refs: read, compare-and-swap, pin. No ref is ever moved without naming the value it must have before.

use super::owner::read_card;
use super::reader::Answer;
use super::{Git, GitError, batch, unexpected_output};
use crate::adapters::git::{Cas, OWNER_REF, RefName};
use crate::adapters::os::files::{At, create_unnamed};
use crate::domain::values::CommitId;
use std::collections::BTreeSet;
use std::ffi::OsStr;

impl Git {
    /// The object a ref holds, not peeled; absent when it does not exist.
    ///
    /// # Errors
    /// [`GitError`] when git fails.
    pub async fn ref_value(&self, refname: &str) -> Result<Option<CommitId>, GitError> {
        match self.lookup_ref(refname).await {
            Some(Answer::Object(id)) => return Ok(CommitId::new(&id).ok()),
            Some(Answer::Missing) => return Ok(None),
            None => {}
        }
        let listed = self.listed_refs(&[refname]).await?;
        Ok(listed.into_iter().find(|(name, _)| name.as_bytes() == refname.as_bytes()).map(|(_, id)| id))
    }

    /// All refs below `prefix` (a whole name or a folder of names) with the objects they hold. A name that is not UTF-8 is none
    /// that `mc` made, and left out.
    ///
    /// # Errors
    /// [`GitError`] when git fails.
    pub async fn list_refs(&self, prefix: &str) -> Result<Vec<(String, CommitId)>, GitError> {
        let listed = self.listed_refs(&[prefix]).await?;
        Ok(listed.into_iter().filter_map(|(name, id)| Some((name.into_text()?, id))).collect())
    }

    /// All refs below any of `prefixes`, whatever their names are.
    pub(super) async fn listed_refs<S: AsRef<OsStr>>(
        &self,
        prefixes: &[S],
    ) -> Result<Vec<(RefName, CommitId)>, GitError> {
        let listing = ["for-each-ref", "--format=%(objectname) %(refname)"].map(OsStr::new);
        let args: Vec<&OsStr> = listing.into_iter().chain(prefixes.iter().map(AsRef::as_ref)).collect();
        Ok(RefName::of_lines(&self.run_bytes(&args).await?))
    }

    /// Moves `refname` to `new` if it holds `expected` (`None`: if it does not exist).
    ///
    /// # Errors
    /// [`GitError::NameBlocked`] when another ref stands in the way of the name; [`GitError`] when git fails for a
    /// reason that is not a race.
    pub async fn compare_and_swap(
        &self,
        refname: &str,
        new: &CommitId,
        expected: Option<&CommitId>,
    ) -> Result<Cas, GitError> {
        let zero = "0".repeat(new.as_str().len());
        let old = expected.map_or(zero.as_str(), CommitId::as_str);
        let owner = self.owner_of(refname);
        for again in [true, false] {
            let said = batch::format_update(refname, new.as_str(), old, owner.as_ref());
            if self.try_transaction(said.as_deref()).await {
                return Ok(Cas::Moved);
            }
            let moved = match (&owner, &said) {
                (Some(_), Some(said)) => {
                    let args = ["update-ref", "-m", "mc", "--stdin"];
                    let told = self.run_with_input(&args, said).await;
                    // A git that left well before it had done what it was told moved nothing.
                    let now = self.ref_value(refname).await?;
                    match told.is_ok() && now.as_ref() != Some(new) {
                        true => Err(unexpected_output(
                            &["update-ref", "--stdin"],
                            now.map_or("".into(), |now| now.to_string()).as_bytes(),
                        )),
                        false => told,
                    }
                }
                _ => self.run_text(&["update-ref", "-m", "mc", "--no-deref", refname, new.as_str(), old]).await,
            };
            if moved.is_err() && self.restore_owner(refname, owner.as_ref()).await? && again {
                continue;
            }
            let Err(error) = moved else { return Ok(Cas::Moved) };
            // What became of it is what the ref holds now.
            let now = self.ref_value(refname).await?;
            // Who did it may have died before it could say so.
            if now.as_ref() == Some(new) {
                return Ok(Cas::Moved);
            }
            if now.as_ref() != expected {
                return Ok(Cas::Raced { now });
            }
            return Err(match self.blocking_ref(refname).await? {
                Some(blocking) => GitError::NameBlocked { refname: refname.to_owned(), blocking },
                None => error,
            });
        }
        Ok(Cas::Raced { now: self.ref_value(refname).await? })
    }

    /// The card that a move of this ref has to verify.
    fn owner_of(&self, refname: &str) -> Option<CommitId> {
        self.owner.card().filter(|_| refname != OWNER_REF)
    }

    /// After a move that failed: whether the owner's card was gone, or was no card, and is there again. No: it was where it
    /// should be.
    async fn restore_owner(&self, refname: &str, card: Option<&CommitId>) -> Result<bool, GitError> {
        let Some(card) = card else { return Ok(false) };
        let found = self.ref_value(OWNER_REF).await?;
        if found.as_ref() == Some(card) {
            return Ok(false);
        }
        let claimed = match &found {
            Some(found) => read_card(self, found).await.is_some(),
            None => false,
        };
        if !claimed && Box::pin(self.compare_and_swap(OWNER_REF, card, found.as_ref())).await? == Cas::Moved {
            return Ok(true);
        }
        self.owner.mark_lost();
        Err(GitError::NotOwner { refname: refname.to_owned() })
    }

    /// Has the process that stays move a ref. No: it was not asked, or did not say that it had.
    async fn try_transaction(&self, said: Option<&str>) -> bool {
        let (Some(batch), Some(said)) = (&self.batch, said) else { return false };
        // It ends by itself when its input does, with what it had begun done or undone.
        let start = || {
            self.command(&["update-ref", "-m", "mc", "--stdin"])
                .finish_on_drop()
                .start_coprocess(Some(&self.guard))
                .ok()
        };
        batch
            .refs
            .run_dialogue(batch::PATIENCE, start, async |coprocess| batch::run_transaction(coprocess, said).await)
            .await
            .is_some()
    }

    /// Makes sure that `refname` holds `commit` for good.
    ///
    /// # Errors
    /// [`GitError::PinTaken`] when it holds another one.
    pub async fn pin(&self, refname: &str, commit: &CommitId) -> Result<(), GitError> {
        self.repin(refname, commit, None).await
    }

    /// Makes `refname` hold `commit` in place of `old` (`None`: of nothing); that it already does is fine.
    ///
    /// # Errors
    /// [`GitError::PinTaken`] when it holds neither.
    pub async fn repin(&self, refname: &str, commit: &CommitId, old: Option<&CommitId>) -> Result<(), GitError> {
        if old == Some(commit) {
            return Ok(());
        }
        let mut ended = self.compare_and_swap(refname, commit, old).await?;
        if old.is_none() && ended == (Cas::Raced { now: None }) {
            // It went away between the two looks; the second try decides.
            ended = self.compare_and_swap(refname, commit, None).await?;
        }
        match ended {
            Cas::Moved => Ok(()),
            Cas::Raced { now } => Err(GitError::PinTaken {
                refname: refname.to_owned(),
                wanted: commit.clone(),
                found: now.unwrap_or_else(|| commit.clone()),
            }),
        }
    }

    /// The names of those refs below `prefix` whose commits `commit` contains.
    ///
    /// # Errors
    /// [`GitError`] when git fails.
    pub async fn list_contained(&self, prefix: &str, commit: &CommitId) -> Result<BTreeSet<String>, GitError> {
        let merged = format!("--merged={commit}");
        let lines = self.run_bytes(&["for-each-ref", &merged, "--format=%(refname)", prefix]).await?;
        // No name has a line break (git-check-ref-format), and one that is not UTF-8 is none that `mc` made.
        let lines = lines.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        Ok(lines.filter_map(|line| String::from_utf8(line.to_vec()).ok()).collect())
    }

    /// Deletes a pin if it still holds `expected`; one that is gone already is fine.
    ///
    /// # Errors
    /// [`GitError`] when git fails.
    pub async fn unpin(&self, refname: &str, expected: &CommitId) -> Result<Cas, GitError> {
        let owner = self.owner_of(refname);
        let gone = match owner.as_ref().and_then(|card| batch::format_deletion(refname, expected.as_str(), card)) {
            Some(said) => self.run_with_input(&["update-ref", "-m", "mc", "--stdin"], &said).await,
            None => self.run_text(&["update-ref", "--no-deref", "-d", refname, expected.as_str()]).await,
        };
        if gone.is_err() && self.restore_owner(refname, owner.as_ref()).await? {
            return Box::pin(self.unpin(refname, expected)).await;
        }
        let Err(error) = gone else { return Ok(Cas::Moved) };
        match self.ref_value(refname).await? {
            None => Ok(Cas::Moved),
            Some(now) if now != *expected => Ok(Cas::Raced { now: Some(now) }),
            Some(_) => Err(error),
        }
    }

    /// The ref that makes it impossible to have `refname` (a file and a folder of one name), if there is one.
    ///
    /// # Errors
    /// [`GitError`] when git fails.
    pub async fn blocking_ref(&self, refname: &str) -> Result<Option<String>, GitError> {
        let below = format!("{refname}/");
        for (slash, _) in refname.match_indices('/').skip(1) {
            if self.ref_value(&refname[..slash]).await?.is_some() {
                return Ok(Some(refname[..slash].to_owned()));
            }
        }
        Ok(self.listed_refs(&[&below]).await?.into_iter().next().map(|(name, _)| name.to_string()))
    }

    /// Runs git with this text as its standard input; it must print nothing. For a command that moves refs: the lock goes with it.
    async fn run_with_input(&self, args: &[&str], text: &str) -> Result<String, GitError> {
        let input = create_unnamed(text.as_bytes()).at(std::env::temp_dir())?;
        let output = self.command(args).with_files(&input, None).finish_on_drop().run(&self.guard).await?;
        if output.success() { Ok(String::new()) } else { Err(self.explain_failure(args, &output)) }
    }
}
