//! Every shader combination compiles in the browser, without an error, a warning or even a remark.

#[path = "../kernels/combinations.rs"]
mod combinations;

use super::harness::one_in;
use combinations::combinations;
use doran::gpu::shader::join;
use js_sys::{Array, Function, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// Compiles WGSL on a device of its own and gives all messages. Written in JavaScript, since wgpu does not tell them.
const COMPILE: &str = r#"
    const adapter = await navigator.gpu.requestAdapter();
    const requiredFeatures = ["subgroups", "shader-f16"].filter((feature) => adapter.features.has(feature));
    const device = await adapter.requestDevice({ requiredFeatures });
    const found = [];
    for (const [label, code, becomesPipeline] of shaders) {
        if (code.includes("enable subgroups") && !requiredFeatures.includes("subgroups")) continue;
        if (code.includes("enable f16") && !requiredFeatures.includes("shader-f16")) continue;
        device.pushErrorScope("validation");
        const module = device.createShaderModule({ code });
        const { messages } = await module.getCompilationInfo();
        for (const { type, lineNum, message } of messages) found.push(`${label}:${lineNum}: ${type}: ${message}`);
        if (becomesPipeline) device.createComputePipeline({ layout: "auto", compute: { module, entryPoint: "main" } });
        const error = await device.popErrorScope();
        if (error !== null) found.push(`${label}: ${error.message}`);
    }
    device.destroy();
    return found;
"#;

pub async fn every_combination_compiles_without_a_message() {
    let shaders = Array::new();
    let combinations = combinations();
    // The browser's compiler reads all of them; some become pipelines, for which SwiftShader takes far longer.
    let pipelines: Vec<_> = one_in(32, 0, combinations.len()).collect();
    for (i, (name, slots)) in combinations.into_iter().enumerate() {
        let wgsl = join(name, &slots, false).expect("joins");
        shaders.push(&Array::of3(&format!("{name} {slots:?}").into(), &wgsl.into(), &pipelines.contains(&i).into()));
    }
    assert!(shaders.length() > 50);
    let body = format!("return (async () => {{ {COMPILE} }})();");
    let compile = Function::new_with_args("shaders", &body);
    let promise: Promise = compile.call1(&JsValue::UNDEFINED, &shaders).expect("runs").unchecked_into();
    let found: Array = JsFuture::from(promise).await.expect("compiles").unchecked_into();
    let messages: Vec<_> = found.iter().filter_map(|message| message.as_string()).collect();
    assert!(messages.is_empty(), "{}", messages.join("\n"));
    // Tell a test that looked at nothing from one that found nothing.
    assert_eq!(Reflect::get(&found, &"length".into()).ok().and_then(|n| n.as_f64()), Some(0.0));
}
