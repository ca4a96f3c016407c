//! What goes wrong on the device: found by scopes around calls, or noted by callbacks and told at the next look.

use std::sync::{Arc, Mutex};

use super::device::Gpu;
use crate::error::{Error, ErrorKind, Result};

/// What went wrong since the last look, set by callbacks that wgpu wants to be `Send`.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    lost: Option<String>,
    error: Option<(ErrorKind, String)>,
}

impl Faults {
    /// Notes what the device tells of itself and of calls outside of scopes.
    pub(super) fn of(device: &wgpu::Device) -> Self {
        let faults = Self::default();
        let on_error = faults.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let kind = match error {
                wgpu::Error::OutOfMemory { .. } => ErrorKind::OutOfMemory,
                _ => ErrorKind::Gpu,
            };
            on_error.note(kind, &error.to_string());
        }));
        let on_lost = faults.clone();
        device.set_device_lost_callback(move |reason, message| {
            if let Ok(mut noted) = on_lost.0.lock() {
                noted.lost.get_or_insert_with(|| format!("{reason:?} {message}"));
            }
        });
        faults
    }

    fn note(&self, kind: ErrorKind, what: &str) {
        if let Ok(mut noted) = self.0.lock() {
            noted.error.get_or_insert_with(|| (kind, what.to_owned()));
        }
    }

    fn take(&self) -> Option<(ErrorKind, String)> {
        self.0.lock().ok().and_then(|mut noted| noted.error.take())
    }

    fn lost(&self) -> Option<String> {
        self.0.lock().ok().and_then(|noted| noted.lost.clone())
    }
}

impl Gpu {
    /// What `create` makes, unless the GPU has no room for it. `needed_bytes` are what it takes, or 0 for what it is seen to take.
    ///
    /// # Errors
    /// `out_of_memory` with `needed_bytes`, or `gpu` if a call was refused.
    pub async fn guarded<R>(&self, doing: &str, needed_bytes: u64, create: impl FnOnce() -> R) -> Result<R> {
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let before = self.counts().gpu_bytes;
        self.injector.in_scope.set(true);
        let made = create();
        self.injector.in_scope.set(false);
        let (memory, validation) = (memory.pop(), validation.pop());
        let bytes = self.counts().gpu_bytes;
        let denied = self.injector.denied.take() || self.memory_bytes.is_some_and(|most| bytes > most);
        if memory.await.is_some() || denied {
            let needed_bytes = needed_bytes.max(bytes.saturating_sub(before));
            let message =
                format!("{doing}: the GPU has no room for {needed_bytes} bytes; use a smaller model or context");
            return Err(Error::new(ErrorKind::OutOfMemory, message).with("needed_bytes", needed_bytes));
        }
        if let Some(error) = validation.await {
            return Err(self.refused(Error::new(ErrorKind::Gpu, format!("{doing}: {error}"))));
        }
        Ok(made)
    }

    /// Fails if the device is gone, had no room or refused a call since the last look.
    ///
    /// # Errors
    /// `device_lost`, `out_of_memory` or `gpu`.
    pub fn check(&self) -> Result<()> {
        self.check_lost()?;
        let denied = !self.injector.in_scope.get() && self.injector.denied.take();
        let denied = denied.then(|| (ErrorKind::OutOfMemory, "a buffer".to_owned()));
        match denied.or_else(|| self.faults.take()) {
            Some((ErrorKind::OutOfMemory, what)) => {
                let message = format!("the GPU has no more room ({what}); use a smaller model or context");
                Err(self.refused(Error::new(ErrorKind::OutOfMemory, message)))
            }
            Some((kind, what)) => Err(self.refused(Error::new(kind, what))),
            None => Ok(()),
        }
    }

    /// What to say of a refused call: a device that is gone refuses all, and may tell so later than it refuses.
    pub(super) fn refused(&self, error: Error) -> Error {
        self.pump();
        self.check_lost().err().unwrap_or(error)
    }

    fn check_lost(&self) -> Result<()> {
        let Some(reason) = self.faults.lost() else { return Ok(()) };
        let message = format!("the GPU device was lost ({}); load the model again", reason.trim());
        Err(Error::new(ErrorKind::DeviceLost, message))
    }

    /// Destroys the device, as a driver that crashes does.
    pub fn lose(&self) {
        self.device.destroy();
    }

    /// Notes that a call was refused, as the device does.
    pub fn refuse(&self, what: &str) {
        self.faults.note(ErrorKind::Gpu, what);
    }
}
