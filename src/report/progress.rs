//! A line on a terminal while a run waits; never in a log.
//!
//! Only where stderr is a terminal and the log is for people, and only after a moment: most runs are over before.

use std::future::Future;
use std::io::{self, Write};
use std::pin::pin;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::report::stderr;

/// Shorter waits are not worth a line.
const PATIENCE: Duration = Duration::from_millis(400);
const TICK: Duration = Duration::from_millis(100);

/// The line that is on the terminal now. Log lines step in front of it.
static LIVE: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Does the work. Meanwhile, if `wanted`, shows how long it has lasted and the text of `status`.
pub async fn beside<T>(wanted: bool, work: impl Future<Output = T>, status: impl Fn() -> String) -> T {
    let mut work = pin!(work);
    if !wanted {
        return work.await;
    }
    if let Ok(done) = tokio::time::timeout(PATIENCE, &mut work).await {
        return done;
    }
    let _line = Line::start();
    loop {
        set_message(status());
        if let Ok(done) = tokio::time::timeout(TICK, &mut work).await {
            return done;
        }
    }
}

/// Takes the line away again, however the work ends.
struct Line;

impl Line {
    fn start() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        // The template is our own; without it the bar has a plainer one.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        replace(Some(bar));
        Self
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(bar) = replace(None) {
            bar.finish_and_clear();
        }
    }
}

fn replace(bar: Option<ProgressBar>) -> Option<ProgressBar> {
    LIVE.lock().ok().and_then(|mut live| std::mem::replace(&mut *live, bar))
}

fn set_message(message: String) {
    if let Ok(live) = LIVE.lock()
        && let Some(bar) = &*live
    {
        bar.set_message(message);
        bar.tick();
    }
}

/// What the log's layers write to, with the line out of the way meanwhile. Each event is one write.
#[derive(Clone, Copy, Debug, Default)]
pub struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let live = LIVE.lock().ok();
        match live.as_ref().and_then(|live| live.as_ref()) {
            Some(bar) => bar.suspend(|| stderr::line(bytes)),
            None => stderr::line(bytes),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
