/** The words of the page in two languages: a plain dictionary, and formats by `Intl`. */

const en = {
  title: "A language model that talks on your own device",
  lead: "The model is downloaded once and kept in this browser. It runs on your graphics processor, and nothing you type leaves this device.",
  stored: "In this browser",
  bring: "Bring a model",
  byUrl: "The address of a GGUF file",
  load: "Load",
  goOn: "Go on",
  delete: "Delete",
  choose: "Choose a file",
  drop: "or drop a .gguf file anywhere on this page",
  cancel: "Cancel",
  pause: "Pause",
  resume: "Resume",
  paused: "Paused",
  offline: "No network: it goes on by itself when there is one",
  partly: "partly here",
  used: "{used} used of about {quota}",
  kept: "The browser has promised to keep it.",
  mayBeCleared: "The browser may clear it when space runs short.",
  header: "Reading the header",
  download: "Downloading",
  store: "Reading from this browser",
  upload: "Moving to the graphics processor",
  compile: "Preparing the kernels",
  ready: "Ready",
  ofBytes: "{loaded} of {total}",
  perSecond: "{speed}/s",
  left: "{time} left",
  newChat: "New chat",
  otherModel: "Other model",
  prompt: "Your message",
  promptHint: "Write a message",
  send: "Send",
  stop: "Stop",
  empty: "Small models are quick and sometimes wrong. Ask for something short.",
  try1: "What is the capital of France?",
  try2: "Write two lines about the sea at night.",
  try3: "Name three uses for an old newspaper.",
  reading: "Reading the conversation…",
  speed: "{decode} tokens/s",
  speedBoth: "{tokens} tokens · {decode} tokens/s · prompt read at {prefill} tokens/s",
  stopped: "Stopped.",
  answered: "Answer complete.",
  contextOf: "{context} tokens of context",
  you: "You",
  model: "Model",
  facts: "For a report: what this browser says",
  copy: "Copy",
  copied: "Copied",
  language: "한국어",
  confirmDelete: "Delete {name} from this browser?",
  insecure_context: "This page is not in a secure context",
  insecure_context_why: "Browsers offer WebGPU only over https:// or on localhost. This page was opened at {origin}.",
  insecure_context_steps: "Open the page over https://.|On the machine that serves it, open http://localhost instead of its network address.",
  no_webgpu: "This browser has no WebGPU",
  no_webgpu_why: "The model runs on the graphics processor through WebGPU, which this browser does not offer.",
  no_webgpu_steps: "Chrome or Edge 113 or later on a computer, Chrome 121 or later on Android.|Safari 26 or later on a Mac, iPhone or iPad.|Firefox 141 or later on Windows, 145 on a Mac with Apple silicon.",
  no_adapter: "The browser does not offer a graphics processor",
  no_adapter_why: "WebGPU is here, but the browser gives no adapter: the graphics processor or its driver is blocked, or hardware acceleration is off.",
  no_adapter_steps: "Turn on hardware acceleration in the browser's settings and restart it.|Update the graphics driver.|In Chrome, chrome://gpu tells why; the facts below help with a report.",
  problem: "That did not work",
  webgpu_missing: "This browser has no WebGPU.",
  adapter_missing: "The browser offers no graphics processor.",
  device_lost: "The graphics processor was lost. Load the model again.",
  out_of_memory: "This device has no room for this model. Try a smaller one.",
  bad_file: "This file is not a model that can be read.",
  bad_chunk: "A piece of the model arrived damaged more than once. Try again later.",
  bad_hash: "The file is not the one that was announced.",
  quota: "This browser's storage is full. Delete a model and go on: what was downloaded is kept.",
  storage: "The browser's storage failed.",
  network: "The model could not be fetched. Check the address and the connection: what was downloaded is kept.",
  context_overflow: "The conversation no longer fits. Begin a new chat.",
  unsupported: "The model needs something that is not supported yet.",
  not_found: "This model is no longer stored.",
  unloaded: "The model was unloaded. Load it again.",
} as const;

/** A key of the dictionary. */
export type Word = keyof typeof en;

const ko: Record<Word, string> = {
  title: "내 기기에서 도란도란 이야기하는 언어 모델",
  lead: "모델은 한 번만 내려받아 이 브라우저에 보관합니다. 내 그래픽 장치에서 실행되며, 입력한 내용은 이 기기를 떠나지 않습니다.",
  stored: "이 브라우저에 있는 모델",
  bring: "모델 가져오기",
  byUrl: "GGUF 파일 주소",
  load: "불러오기",
  goOn: "이어받기",
  delete: "삭제",
  choose: "파일 선택",
  drop: "또는 .gguf 파일을 이 페이지에 놓으세요",
  cancel: "취소",
  pause: "일시정지",
  resume: "이어받기",
  paused: "일시정지됨",
  offline: "네트워크 없음: 연결되면 저절로 이어집니다",
  partly: "일부만 있음",
  used: "약 {quota} 중 {used} 사용",
  kept: "브라우저가 보관을 약속했습니다.",
  mayBeCleared: "공간이 부족하면 브라우저가 지울 수 있습니다.",
  header: "머리말 읽는 중",
  download: "내려받는 중",
  store: "브라우저에서 읽는 중",
  upload: "그래픽 장치로 옮기는 중",
  compile: "계산 준비 중",
  ready: "준비됨",
  ofBytes: "{total} 중 {loaded}",
  perSecond: "초당 {speed}",
  left: "{time} 남음",
  newChat: "새 대화",
  otherModel: "다른 모델",
  prompt: "메시지",
  promptHint: "메시지를 입력하세요",
  send: "보내기",
  stop: "멈추기",
  empty: "작은 모델은 빠르지만 틀릴 때도 있습니다. 짧은 것을 물어보세요.",
  try1: "What is the capital of France?",
  try2: "밤바다를 두 줄로 써 줘.",
  try3: "오래된 신문지를 쓰는 방법 세 가지는?",
  reading: "대화를 읽는 중…",
  speed: "초당 {decode}토큰",
  speedBoth: "{tokens}토큰 · 초당 {decode}토큰 · 입력은 초당 {prefill}토큰",
  stopped: "멈췄습니다.",
  answered: "답변이 끝났습니다.",
  contextOf: "문맥 {context}토큰",
  you: "나",
  model: "모델",
  facts: "신고할 때 쓸 정보: 이 브라우저가 알려 주는 것",
  copy: "복사",
  copied: "복사했습니다",
  language: "English",
  confirmDelete: "{name}을(를) 이 브라우저에서 삭제할까요?",
  insecure_context: "보안 연결이 아닌 페이지입니다",
  insecure_context_why: "브라우저는 https:// 또는 localhost에서만 WebGPU를 제공합니다. 지금 주소는 {origin}입니다.",
  insecure_context_steps: "https:// 주소로 여세요.|서버가 있는 기기에서는 네트워크 주소 대신 http://localhost 로 여세요.",
  no_webgpu: "이 브라우저에는 WebGPU가 없습니다",
  no_webgpu_why: "모델은 WebGPU로 그래픽 장치에서 실행되는데, 이 브라우저는 WebGPU를 제공하지 않습니다.",
  no_webgpu_steps: "컴퓨터의 Chrome·Edge 113 이상, Android의 Chrome 121 이상.|Mac·iPhone·iPad의 Safari 26 이상.|Windows의 Firefox 141 이상, Apple 실리콘 Mac의 Firefox 145 이상.",
  no_adapter: "브라우저가 그래픽 장치를 내주지 않습니다",
  no_adapter_why: "WebGPU는 있지만 어댑터가 없습니다. 그래픽 장치나 드라이버가 차단되었거나 하드웨어 가속이 꺼져 있습니다.",
  no_adapter_steps: "브라우저 설정에서 하드웨어 가속을 켜고 다시 시작하세요.|그래픽 드라이버를 업데이트하세요.|Chrome에서는 chrome://gpu 에 이유가 나옵니다. 아래 정보가 신고에 도움이 됩니다.",
  problem: "잘되지 않았습니다",
  webgpu_missing: "이 브라우저에는 WebGPU가 없습니다.",
  adapter_missing: "브라우저가 그래픽 장치를 내주지 않습니다.",
  device_lost: "그래픽 장치와 연결이 끊겼습니다. 모델을 다시 불러오세요.",
  out_of_memory: "이 기기에는 이 모델이 들어갈 자리가 없습니다. 더 작은 모델을 써 보세요.",
  bad_file: "읽을 수 있는 모델 파일이 아닙니다.",
  bad_chunk: "모델의 한 부분이 여러 번 손상되어 도착했습니다. 나중에 다시 해 보세요.",
  bad_hash: "알려진 것과 다른 파일입니다.",
  quota: "브라우저 저장 공간이 가득 찼습니다. 모델을 하나 지우고 이어받으세요. 받은 것은 그대로 있습니다.",
  storage: "브라우저 저장소에 문제가 있습니다.",
  network: "모델을 가져오지 못했습니다. 주소와 연결을 확인하세요. 받은 것은 그대로 있습니다.",
  context_overflow: "대화가 더는 들어가지 않습니다. 새 대화를 시작하세요.",
  unsupported: "아직 지원하지 않는 것이 필요한 모델입니다.",
  not_found: "더는 보관되어 있지 않은 모델입니다.",
  unloaded: "모델이 내려갔습니다. 다시 불러오세요.",
};

/** A language of the page. */
export type Language = "en" | "ko";
const DICTIONARIES: Record<Language, Record<Word, string>> = { en, ko };
const KEY = "language";
const listeners = new Set<() => void>();

let language: Language = preferred();

function preferred(): Language {
  const asked = new URLSearchParams(location.search).get("lang") ?? remembered() ?? navigator.language;
  return asked.startsWith("ko") ? "ko" : "en";
}

function remembered(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

/** Whether `word` is in the dictionary. */
export function isWord(word: string | undefined): word is Word {
  return word !== undefined && Object.hasOwn(en, word);
}

/** The words for `word`, with `{name}`s filled in. */
export function t(word: Word, fill: Readonly<Record<string, string>> = {}): string {
  return DICTIONARIES[language][word].replace(/\{(\w+)\}/g, (whole, name: string) => fill[name] ?? whole);
}

/** Calls `render` now and whenever the language changes. */
export function onLanguage(render: () => void): void {
  listeners.add(render);
  render();
}

/** Changes to the other language. */
export function toggleLanguage(): void {
  language = language === "en" ? "ko" : "en";
  try {
    localStorage.setItem(KEY, language);
  } catch {
    // A browser that keeps nothing still shows the language.
  }
  for (const render of listeners) render();
}

/** The language's tag. */
export const tag = (): Language => language;

const number = (digits: number): Intl.NumberFormat => new Intl.NumberFormat(language, { maximumFractionDigits: digits, minimumFractionDigits: digits });

/** A whole number, or one with a fraction of `digits`. */
export const formatNumber = (value: number, digits = 0): string => number(digits).format(value);

/** Bytes in the unit that fits. */
export function formatBytes(bytes: number): string {
  const units = ["kB", "MB", "GB"];
  let value = bytes / 1000;
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit += 1) value /= 1000;
  return `${number(unit === 0 || value >= 100 ? 0 : 1).format(value)} ${units[unit] ?? ""}`;
}

/** A time in words that need not be exact. */
export function formatSeconds(seconds: number): string {
  const [value, unit] = seconds < 90 ? [Math.ceil(seconds), "second"] : [Math.round(seconds / 60), "minute"];
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short" }).format(value);
}
