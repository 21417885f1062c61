//! Whether the bot is on its way out: what was begun is finished then, and nothing is begun any
//! more.

use std::future::Future;
use std::time::Duration;

use crate::error::ServiceError;
use crate::retry::{Next, Retry};
use tokio::sync::watch;

/// How far the bot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// It works.
    Working,
    /// It finishes what it has begun.
    Finishing,
    /// It drops what is not finished: somebody waits for the instance, and no longer.
    Dropping,
}

/// Why something did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failed {
    /// The last try failed like this.
    Service(ServiceError),
    /// The bot ends before the next try.
    ShuttingDown,
}

/// Hears that the bot ends.
#[derive(Debug, Clone)]
pub(crate) struct Shutdown(watch::Receiver<Stage>);

impl Shutdown {
    /// Hears it from whoever has the other end.
    pub(crate) fn new() -> (watch::Sender<Stage>, Shutdown) {
        let (tell, hear) = watch::channel(Stage::Working);
        (tell, Shutdown(hear))
    }

    /// Resolves once the bot is as far as this, or whoever tells it is gone.
    pub(crate) async fn reaches(&self, stage: Stage) {
        // An error means that nobody is left to tell: that is an end too.
        let _ = self.0.clone().wait_for(|reached| *reached >= stage).await;
    }

    /// Waits for `pause`, unless the bot begins to end.
    ///
    /// # Errors
    /// It does.
    pub(crate) async fn pause(&self, pause: Duration) -> Result<(), Failed> {
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.reaches(Stage::Finishing) => Err(Failed::ShuttingDown),
        }
    }

    /// Tries until it succeeds, or `retry` gives up, or the bot ends; `name` is what the log calls
    /// it.
    ///
    /// # Errors
    /// The last failure, or the end.
    pub(crate) async fn persist<T, F>(
        &self,
        retry: Retry,
        name: &str,
        mut once: impl FnMut() -> F,
    ) -> Result<T, Failed>
    where
        F: Future<Output = Result<T, ServiceError>>,
    {
        let mut failed = 0;
        loop {
            let error = match once().await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            failed += 1;
            match retry.after(failed, error.hope()) {
                Next::Again(pause) => {
                    tracing::info!(
                        failed,
                        "{name}: {error}; once more in {}",
                        humantime::format_duration(pause)
                    );
                    self.pause(pause).await?;
                }
                Next::GiveUp => {
                    tracing::warn!(failed, "{name}: {error}; given up");
                    return Err(Failed::Service(error));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const RETRY: Retry =
        Retry { tries: 3, first: Duration::from_millis(1), longest: Duration::from_hours(1) };

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(future)
    }

    #[test]
    fn it_is_tried_until_it_succeeds_and_as_often_as_was_said() {
        let (_tell, shutdown) = Shutdown::new();
        let tries = Cell::new(0);
        let once = |good: u32| {
            tries.set(tries.get() + 1);
            std::future::ready(if tries.get() == good {
                Ok(good)
            } else {
                Err(ServiceError::Unreachable)
            })
        };
        assert_eq!(block_on(shutdown.persist(RETRY, "a test", || once(2))), Ok(2));
        tries.set(0);
        assert_eq!(
            block_on(shutdown.persist(RETRY, "a test", || once(4))),
            Err(Failed::Service(ServiceError::Unreachable))
        );
        assert_eq!(tries.get(), 3);
    }

    #[test]
    fn an_end_cuts_a_pause_short() {
        let (tell, shutdown) = Shutdown::new();
        let busy = Err::<(), ServiceError>(ServiceError::Busy(Some(Duration::from_mins(30))));
        let (done, ()) = block_on(async {
            tokio::join!(shutdown.persist(RETRY, "a test", || std::future::ready(busy)), async {
                tell.send(Stage::Finishing).unwrap();
            })
        });
        assert_eq!(done, Err(Failed::ShuttingDown));
    }
}
