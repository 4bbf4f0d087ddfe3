//! Finds and checks a graphics device, and catches all its errors.

use super::clock::Clock;
use crate::error::{Code, Error, Result};
use std::sync::{Arc, Mutex};

/// A device with its queue, which is released when dropped.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) limits: wgpu::Limits,
    pub(super) name: String,
    /// Whether the device is a software renderer.
    pub(super) software: bool,
    /// The clock for timing kernels; `None` if they are not timed.
    pub(super) clock: Option<Clock>,
    /// The fault, set when the device is lost or reports an error outside any error scope.
    fault: Arc<Mutex<Option<String>>>,
}

/// Work that was submitted to the device.
#[derive(Debug)]
pub(super) struct Submitted {
    /// The buffer that will hold the results; it can be mapped for reading.
    pub(super) buffer: wgpu::Buffer,
    pub(super) index: wgpu::SubmissionIndex,
    /// The kernels that were timed; their times are read last.
    pub(super) kernels: Vec<&'static str>,
}

impl Drop for Submitted {
    fn drop(&mut self) {
        self.buffer.destroy();
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // In the browser, nothing else destroys the device.
        self.device.destroy();
    }
}

/// The device's vendor and architecture, which browsers report instead of its name and wgpu does not pass on.
#[cfg(target_arch = "wasm32")]
async fn called() -> Option<String> {
    use js_sys::{Function, Object, Promise, Reflect, global};
    use wasm_bindgen::{JsCast, JsValue};

    let field = |of: &JsValue, name: &str| Reflect::get(of, &name.into()).ok();
    let gpu = field(&field(&global(), "navigator")?, "gpu")?;
    let options = Object::new();
    Reflect::set(&options, &"powerPreference".into(), &"high-performance".into()).ok()?;
    let request: Function = field(&gpu, "requestAdapter")?.dyn_into().ok()?;
    let asked: Promise = request.call1(&gpu, &options).ok()?.dyn_into().ok()?;
    let info = field(&wasm_bindgen_futures::JsFuture::from(asked).await.ok()?, "info")?;
    let told = ["vendor", "architecture"].into_iter().filter_map(|name| field(&info, name)?.as_string());
    let told = told.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    (!told.is_empty()).then_some(told)
}

#[cfg(not(target_arch = "wasm32"))]
async fn called() -> Option<String> {
    None
}

/// Names of software devices. On the web a flag may take the place of the name.
const SOFTWARE: [&str; 5] = ["swiftshader", "llvmpipe", "lavapipe", "basic render", "softpipe"];

impl Device {
    /// Finds a device, a software one only if `allow_software`. If `timed`, kernels are timed, provided that the device has a clock.
    ///
    /// # Errors
    /// `GpuUnavailable` with the reason in plain words.
    pub(super) async fn request(allow_software: bool, timed: bool) -> Result<Self> {
        let unavailable = |why: String| Error::new(Code::GpuUnavailable, why);
        let options = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..Default::default()
        };
        let adapter = wgpu::Instance::default()
            .request_adapter(&options)
            .await
            .map_err(|_| unavailable("WebGPU is not available here.".to_owned()))?;
        let info = adapter.get_info();
        let name = if info.name.is_empty() { called().await } else { Some(info.name.clone()) };
        let name = name.unwrap_or_else(|| "graphics device".to_owned());
        let told = format!("{name} {}", info.driver).to_ascii_lowercase();
        let software = info.device_type == wgpu::DeviceType::Cpu || SOFTWARE.iter().any(|s| told.contains(s));
        if software && !allow_software {
            return Err(unavailable(
                "The only graphics device is a software one, which is slower than the CPU.".into(),
            ));
        }
        let limits = adapter.limits();
        let timed = timed && adapter.features().contains(Clock::FEATURES);
        let descriptor = wgpu::DeviceDescriptor {
            required_features: if timed { Clock::FEATURES } else { wgpu::Features::empty() },
            required_limits: limits.clone(),
            ..Default::default()
        };
        let (device, queue) = adapter
            .request_device(&descriptor)
            .await
            .map_err(|error| unavailable(format!("The graphics device did not start: {error}")))?;

        let fault = Arc::new(Mutex::new(None));
        let note = |fault: &Arc<Mutex<Option<String>>>, text: String| {
            if let Ok(mut fault) = fault.lock() {
                fault.get_or_insert(text);
            }
        };
        let (lost, uncaptured) = (Arc::clone(&fault), Arc::clone(&fault));
        device.set_device_lost_callback(move |reason, text| {
            note(&lost, format!("It was lost ({reason:?}). {text}"))
        });
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| note(&uncaptured, error.to_string())));
        Ok(Self {
            clock: timed.then(|| Clock::new(&queue)),
            device,
            queue,
            limits,
            name: if software { format!("{name} (software)") } else { name },
            software,
            fault,
        })
    }

    /// A buffer of this many 32-bit words, at least one.
    pub(super) fn buffer(&self, values: usize, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        let size = bytes(values);
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage,
            mapped_at_creation: false,
        })
    }

    /// Runs work on the device and waits for the errors that it reports.
    ///
    /// # Errors
    /// `GpuFault` with the first error: an error that goes unnoticed means zeros in the result.
    pub(super) async fn checked<T>(&self, work: impl FnOnce() -> T) -> Result<T> {
        use wgpu::ErrorFilter::{Internal, OutOfMemory, Validation};
        let scopes = [OutOfMemory, Validation, Internal].map(|filter| self.device.push_error_scope(filter));
        let done = work();
        // Scopes close in reverse order, and all of them before the first await, so that other work stays outside.
        let [memory, validation, internal] = scopes;
        let verdicts = (internal.pop(), validation.pop(), memory.pop());
        let complaints = [verdicts.0.await, verdicts.1.await, verdicts.2.await];
        if let Some(error) = complaints.into_iter().flatten().next() {
            return Err(fault(error.to_string()));
        }
        self.healthy().map(|()| done)
    }

    fn healthy(&self) -> Result<()> {
        match self.fault.lock().ok().and_then(|fault| fault.clone()) {
            Some(text) => Err(fault(text)),
            None => Ok(()),
        }
    }

    /// The bytes that a submission has put into its buffer; later submissions are not waited for.
    ///
    /// # Errors
    /// `GpuFault`.
    pub(super) async fn read(&self, submitted: Submitted) -> Result<Vec<u8>> {
        let Submitted { buffer, index, kernels } = &submitted;
        let (sender, receiver) = futures_channel::oneshot::channel();
        buffer.map_async(wgpu::MapMode::Read, .., move |mapped| {
            // Nobody waits any more if the receiver is gone.
            let _ = sender.send(mapped);
        });
        // Natively this call waits; on the web the browser's event loop does.
        let submission_index = Some(index.clone());
        let _ = self.device.poll(wgpu::PollType::Wait { submission_index, timeout: None });
        let mapped = receiver.await.map_err(|_| fault("It gave no answer.".to_owned()))?;
        if let Err(error) = mapped {
            self.healthy()?;
            return Err(fault(error.to_string()));
        }
        let bytes = buffer.get_mapped_range(..).map_err(|error| fault(error.to_string()))?.to_vec();
        buffer.unmap();
        if let Some(clock) = &self.clock {
            clock.add(kernels, &bytes);
        }
        self.healthy().map(|()| bytes)
    }
}

/// The number of bytes of this many 32-bit words; at least one word, because a buffer may not be empty.
pub(super) fn bytes(values: usize) -> u64 {
    4 * values.max(1) as u64
}

fn fault(detail: String) -> Error {
    Error::new(Code::GpuFault, detail)
}
