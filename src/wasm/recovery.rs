//! A lost GPU: the model comes to a new one, out of the store where it is kept, and what is under way goes on. Ids are the truth;
//! what was on the GPU is computed again from them.

use std::cell::{Cell, RefCell};

use js_sys::Function;
use wasm_bindgen::JsValue;

use super::engine::{Inner, unloaded};
use super::js::now_ms;
use super::load::{Fetching, Loaded, open_engine};
use super::options::WireLoadOptions;
use super::progress::Speed;
use crate::engine::EngineOptions;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::Gpu;
use crate::ops::KvFormat;
use crate::session::Session;
use crate::weights::http::sleep;
use crate::weights::{Cancel, Update};

/// Losses after which there is no other attempt, if nothing was computed between them.
const MAX_LOSSES: usize = 3;
/// Milliseconds within which they count.
const WITHIN_MS: f64 = 60_000.0;
/// Milliseconds that a browser may take to say that a device is lost, after a call on it failed.
const GRACE_MS: u64 = 100;

/// Milliseconds before the model is brought to another GPU, and longer after each loss: a browser takes a while to notice that its
/// GPU process is gone, and what it gives before is lost too.
const PAUSE_MS: u64 = 50;

/// Milliseconds after which a call that has the turn and computes nothing is believed to wait for its reader.
const UNREAD_MS: u64 = 2000;

/// How a model came, so that it can come again.
pub(super) struct Origin {
    pub(super) source: JsValue,
    pub(super) options: WireLoadOptions,
    pub(super) on_progress: Option<Function>,
}

/// When the GPU was lost.
#[derive(Default)]
pub(super) struct Losses {
    at_ms: RefCell<Vec<f64>>,
    recoveries: Cell<u32>,
}

impl Losses {
    /// Whether nothing was lost since something was computed.
    pub(super) fn are_none(&self) -> bool {
        self.at_ms.borrow().is_empty()
    }

    /// Times that a lost GPU was replaced.
    pub(super) fn recoveries(&self) -> u32 {
        self.recoveries.get()
    }

    /// Notes an error: nothing if it is a loss that another attempt may be made after.
    pub(super) fn note(&self, error: Error) -> Result<()> {
        if error.kind() != ErrorKind::DeviceLost {
            return Err(error);
        }
        let now = now_ms();
        let mut at_ms = self.at_ms.borrow_mut();
        at_ms.retain(|at| now - at < WITHIN_MS);
        at_ms.push(now);
        if at_ms.len() < MAX_LOSSES {
            return Ok(());
        }
        at_ms.clear();
        let message =
            format!("the GPU was lost {MAX_LOSSES} times within a minute; use a smaller model, or reload the page");
        Err(Error::new(ErrorKind::DeviceLost, message).with("losses", MAX_LOSSES))
    }

    /// Waits before another attempt.
    pub(super) async fn pause(&self) {
        let losses = self.at_ms.borrow().len();
        if losses > 0 {
            sleep(PAUSE_MS << (4 * (losses - 1))).await;
        }
    }

    /// Notes that something was computed.
    fn settle(&self) {
        self.at_ms.borrow_mut().clear();
    }
}

/// The loss of the device, if that is behind `error`.
pub(super) async fn blame(gpu: &Gpu, error: Error) -> Error {
    if error.kind() != ErrorKind::Gpu {
        return error;
    }
    sleep(GRACE_MS).await;
    match gpu.check() {
        Err(lost) if lost.kind() == ErrorKind::DeviceLost => lost,
        _ => error,
    }
}

/// What it comes to where the browser has no GPU for us any more.
pub(super) fn none_left(error: Error) -> Error {
    match error.kind() {
        ErrorKind::AdapterMissing | ErrorKind::WebgpuMissing => {
            let message = "the GPU was lost and the browser gives no other; reload the page, or restart the browser";
            Error::new(ErrorKind::DeviceLost, message).with("cause", error.kind().code())
        }
        _ => error,
    }
}

impl Inner {
    /// Runs `work` on the session, which must be this turn's; where the GPU is lost, again on that of a new one, which knows
    /// nothing of what was computed.
    pub(super) async fn with_session<R>(
        &self,
        cancel: &Cancel,
        mut work: impl AsyncFnMut(&mut Session) -> Result<R>,
    ) -> Result<R> {
        loop {
            let taken = self.session.borrow_mut().take();
            let error = match taken {
                Some(mut session) => {
                    let result = work(&mut session).await;
                    let gpu = self.gpu.borrow().clone();
                    let error = match (result, gpu) {
                        (Err(error), Some(gpu)) => blame(&gpu, error).await,
                        (result, _) => {
                            self.losses.settle();
                            self.session.replace(Some(session));
                            return result;
                        }
                    };
                    if error.kind() != ErrorKind::DeviceLost {
                        self.session.replace(Some(session));
                        return Err(error);
                    }
                    error
                }
                None if self.is_unloaded.get() => return Err(unloaded()),
                None => match self.rebuild(cancel).await {
                    Ok(()) => continue,
                    Err(error) => error,
                },
            };
            self.gpu.replace(None);
            self.losses.note(error)?;
        }
    }

    /// Brings the model to another GPU, for a call that has no turn and found this one lost, when there had been so many recoveries; or
    /// waits until another call has done so.
    ///
    /// # Errors
    /// `lost` where the call that has the turn waits for its reader, who may be waiting for this one.
    pub(super) async fn recover(&self, recoveries: u32, lost: Error, cancel: &Cancel) -> Result<()> {
        let mut idle_ms = 0;
        let _turn = loop {
            cancel.check()?;
            if self.losses.recoveries() != recoveries {
                return Ok(());
            }
            if let Some(turn) = self.turns.try_take() {
                break turn;
            }
            idle_ms = if self.session.borrow().is_some() { idle_ms + PAUSE_MS } else { 0 };
            if idle_ms > UNREAD_MS {
                return Err(lost);
            }
            sleep(PAUSE_MS).await;
        };
        let gpu = || self.gpu.borrow().clone();
        self.with_session(cancel, async |_| gpu().map_or(Ok(()), |gpu| gpu.check())).await
    }

    /// Loads the model and its adapters onto a new GPU.
    async fn rebuild(&self, cancel: &Cancel) -> Result<()> {
        self.losses.pause().await;
        let Origin { source, options, on_progress } = &self.origin;
        let speed = Speed::to(on_progress.clone());
        // The model stays what it was.
        let fetching = Fetching { update: Update::Never, ..Fetching::default() };
        let kv = [KvFormat::F32, KvFormat::F16].into_iter().find(|kv| kv.name() == self.info.kv_cache);
        let as_before = |options: EngineOptions| EngineOptions {
            context: Some(self.info.context),
            steps_down: false,
            kv,
            ..options
        };
        let Loaded { engine, gpu, .. } =
            open_engine(source, options, fetching, as_before, &speed, cancel).await.map_err(none_left)?;
        self.adapters.rebuild(engine.adaptable, cancel).await?;
        self.gpu.replace(gpu);
        self.session.replace(Some(engine.session));
        self.losses.recoveries.set(self.losses.recoveries.get() + 1);
        speed.tell("ready");
        Ok(())
    }
}
