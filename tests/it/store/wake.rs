//! The FIFO that wakes the engine.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "helpers of tests")]

use crate::store::world as store_world;
use mission_control::adapters::store::wake::{Wake, WakeError, ring};
use std::future::Future as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

struct World {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wake");
    World { _dir: dir, path }
}

/// A runtime in a thread with a deadline: a wait that spins could not be ended by a timer of its own runtime.
fn in_time(work: impl AsyncFnOnce() + Send + 'static) {
    store_world::in_time(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work());
    });
}

fn is_quiet(wake: &mut Wake) -> bool {
    matches!(pin!(wake.wait_for_ring()).poll(&mut Context::from_waker(Waker::noop())), Poll::Pending)
}

#[test]
fn a_ring_wakes_a_waiting_engine_and_many_rings_wake_it_once() {
    in_time(async || {
        let world = world();
        let mut wake = Wake::open(&world.path).unwrap();
        assert!(is_quiet(&mut wake));
        let path = world.path.clone();
        let engine = async {
            wake.wait_for_ring().await.unwrap();
            wake
        };
        let ringer = async {
            // The engine was polled first, so it waits already: the ring itself must wake it.
            tokio::task::spawn_blocking(move || ring(&path)).await.unwrap()
        };
        let (mut wake, heard) = tokio::join!(biased; engine, ringer);
        assert!(heard);
        for _ in 0..100 {
            assert!(ring(&world.path));
        }
        wake.wait_for_ring().await.unwrap();
        assert!(is_quiet(&mut wake), "rings were left, or a ringer that went away reads as an end of file");
    });
}

#[test]
fn a_ring_before_the_engine_waits_is_heard_and_a_full_pipe_does_not_block() {
    in_time(async || {
        let world = world();
        let mut wake = Wake::open(&world.path).unwrap();
        // 64 KiB is what a pipe holds (pipe(7)).
        for _ in 0..70_000 {
            assert!(ring(&world.path));
        }
        wake.wait_for_ring().await.unwrap();
        assert!(is_quiet(&mut wake));
        assert!(ring(&world.path));
        wake.wait_for_ring().await.unwrap();
    });
}

#[test]
fn nobody_hears_a_ring_without_an_engine() {
    in_time(async || {
        let world = world();
        assert!(!ring(&world.path), "no FIFO");
        assert!(!world.path.exists());
        let wake = Wake::open(&world.path).unwrap();
        assert_eq!(world.path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        drop(wake);
        assert!(!ring(&world.path), "a FIFO, but no engine");
        let mut next = Wake::open(&world.path).unwrap();
        assert!(is_quiet(&mut next));
        assert!(ring(&world.path));
    });
}

#[test]
fn a_file_in_the_way_is_refused_and_never_written_to() {
    in_time(async || {
        let world = world();
        std::fs::write(&world.path, "text").unwrap();
        assert!(matches!(Wake::open(&world.path).unwrap_err(), WakeError::NotAFifo { .. }));
        assert!(!ring(&world.path));
        assert_eq!(std::fs::read_to_string(&world.path).unwrap(), "text");
        let link = world.path.with_file_name("link");
        symlink(&world.path, &link).unwrap();
        assert!(matches!(Wake::open(&link).unwrap_err(), WakeError::NotAFifo { .. }));
    });
}
