//! Progress of a load as the page sees it, with a speed.

use std::cell::Cell;

use js_sys::Function;
use serde::Serialize;
use wasm_bindgen::JsValue;

use super::js::{now_ms, to_js};
use crate::weights::{Phase, Progress};

/// Seconds over which the download speed is averaged.
const SPEED_SECS: f64 = 5.0;

/// Turns what a load reports into what the page sees, with a speed.
pub(super) struct Speed {
    pub(super) on_progress: Option<Function>,
    pub(super) last: Cell<Option<Progress>>,
    pub(super) started_ms: f64,
    pub(super) bytes_per_second: Cell<f64>,
    pub(super) seen: Cell<(f64, u64)>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireProgress {
    phase: &'static str,
    loaded_bytes: u64,
    total_bytes: u64,
    from_store_bytes: u64,
    bytes_per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_left: Option<f64>,
}

impl Speed {
    pub(super) fn new(on_progress: Function) -> Self {
        Self::to(Some(on_progress))
    }

    pub(super) fn to(on_progress: Option<Function>) -> Self {
        let started_ms = now_ms();
        let (last, bytes_per_second) = (Cell::new(None), Cell::new(0.0));
        Self { on_progress, last, started_ms, bytes_per_second, seen: Cell::new((started_ms, 0)) }
    }

    /// For what nobody looks at.
    pub(super) fn silent() -> Self {
        Self::to(None)
    }

    pub(super) fn bytes(&self, progress: Progress) {
        self.last.set(Some(progress));
        let (at_ms, at_bytes) = self.seen.get();
        let now = now_ms();
        let secs = (now - at_ms) / 1000.0;
        if secs > 0.1 && progress.loaded_bytes >= at_bytes {
            let speed = (progress.loaded_bytes - at_bytes) as f64 / secs;
            let old = self.bytes_per_second.get();
            let weight = if old == 0.0 { 1.0 } else { 1.0 - (-secs / SPEED_SECS).exp() };
            self.bytes_per_second.set(old + (speed - old) * weight);
            self.seen.set((now, progress.loaded_bytes));
        }
        self.tell(match progress.phase {
            Phase::Waiting => "header",
            Phase::Paused => "paused",
            Phase::Offline => "offline",
            Phase::Loading if progress.downloaded_bytes > 0 => "download",
            Phase::Loading => "store",
            Phase::Verifying => "upload",
        });
    }

    pub(super) fn tell(&self, phase: &'static str) {
        let last = self.last.get();
        let (loaded_bytes, total_bytes) = last.map_or((0, 0), |p| (p.loaded_bytes, p.total_bytes));
        let speed = self.bytes_per_second.get();
        let left = (speed > 0.0).then(|| total_bytes.saturating_sub(loaded_bytes) as f64 / speed);
        let progress = WireProgress {
            phase,
            loaded_bytes,
            total_bytes,
            from_store_bytes: last.map_or(0, |p| p.from_store_bytes),
            bytes_per_second: speed,
            seconds_left: left,
        };
        if let (Some(on_progress), Ok(progress)) = (&self.on_progress, to_js(&progress)) {
            // What the page's callback throws is the page's business.
            let _ = on_progress.call1(&JsValue::UNDEFINED, &progress);
        }
    }
}
