/** Why models cannot run here, and what to do; steps are parted by `|`. */
import { words } from "../words.js";

export const t = words({
  insecure_context: "This page is not in a secure context",
  insecure_context_why: "Browsers offer WebGPU only over https:// or on localhost. This page was opened at {origin}.",
  insecure_context_steps: "Open the page over https://.|On the machine that serves it, open http://localhost instead of its network address.",
  no_webgpu: "This browser has no WebGPU",
  no_webgpu_why: "The model runs on the graphics processor through WebGPU, which this browser does not offer.",
  no_webgpu_steps: "Chrome or Edge 113 or later on a computer, Chrome 121 or later on Android.|Safari 26 or later on a Mac, iPhone or iPad.|Firefox 141 or later on Windows, 145 on a Mac with Apple silicon.",
  no_adapter: "The browser does not offer a graphics processor",
  no_adapter_why: "WebGPU is here, but the browser gives no adapter: the graphics processor or its driver is blocked, or hardware acceleration is off.",
  no_adapter_steps: "Turn on hardware acceleration in the browser's settings and restart it.|Update the graphics driver.|In Chrome, chrome://gpu tells why; the facts below help with a report.",
  facts: "For a report: what this browser says",
  copy: "Copy",
  copied: "Copied",
}, {
  insecure_context: "보안 연결이 아닌 페이지입니다",
  insecure_context_why: "브라우저는 https:// 또는 localhost에서만 WebGPU를 제공합니다. 지금 주소는 {origin}입니다.",
  insecure_context_steps: "https:// 주소로 여세요.|서버가 있는 기기에서는 네트워크 주소 대신 http://localhost 로 여세요.",
  no_webgpu: "이 브라우저에는 WebGPU가 없습니다",
  no_webgpu_why: "모델은 WebGPU로 그래픽 장치에서 실행되는데, 이 브라우저는 WebGPU를 제공하지 않습니다.",
  no_webgpu_steps: "컴퓨터의 Chrome·Edge 113 이상, Android의 Chrome 121 이상.|Mac·iPhone·iPad의 Safari 26 이상.|Windows의 Firefox 141 이상, Apple 실리콘 Mac의 Firefox 145 이상.",
  no_adapter: "브라우저가 그래픽 장치를 내주지 않습니다",
  no_adapter_why: "WebGPU는 있지만 어댑터가 없습니다. 그래픽 장치나 드라이버가 차단되었거나 하드웨어 가속이 꺼져 있습니다.",
  no_adapter_steps: "브라우저 설정에서 하드웨어 가속을 켜고 다시 시작하세요.|그래픽 드라이버를 업데이트하세요.|Chrome에서는 chrome://gpu 에 이유가 나옵니다. 아래 정보가 신고에 도움이 됩니다.",
  facts: "신고할 때 쓸 정보: 이 브라우저가 알려 주는 것",
  copy: "복사",
  copied: "복사했습니다",
});
