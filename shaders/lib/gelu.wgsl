// GELU (Hendrycks & Gimpel 2016, eq. 1): x · (1 + erf(x / √2)) / 2, with erf by Abramowitz & Stegun 7.1.26, exact to 1.5e-7.
fn gelu(x: vec4<f32>) -> vec4<f32> {
    // Past 10 erf is 1 to f32.
    let z = min(abs(x) * 0.7071067811865476, vec4<f32>(10.0));
    let t = vec4<f32>(1.0) / (vec4<f32>(1.0) + 0.3275911 * z);
    let p = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
    let erf = sign(x) * (vec4<f32>(1.0) - p * exp(-z * z));
    return 0.5 * x * (vec4<f32>(1.0) + erf);
}
