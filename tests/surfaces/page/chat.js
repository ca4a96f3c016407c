/** A chat in React under StrictMode, which mounts everything twice. */
import { createElement as h, StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { useChat, useEngine } from "doran/react";

function Chat({ source, loadOptions, generate }) {
  const { engine, progress, error, ready } = useEngine(source, loadOptions);
  const chat = useChat(engine, { generate });
  const [text, setText] = useState("");
  return h("main", null,
    h("p", { id: "load" }, error === undefined ? (ready ? "ready" : progress?.phase ?? "waiting") : `error ${error.code}`),
    h("p", { id: "status" }, chat.error === undefined ? chat.status : `${chat.status} ${chat.error.code}`),
    h("ol", null, chat.messages.map(({ role, content }, index) => h("li", { key: index, className: role }, content))),
    h("input", { value: text, onChange: (event) => setText(event.target.value) }),
    h("button", { id: "send", onClick: () => void chat.send(text) }, "send"),
    h("button", { id: "stop", onClick: chat.stop }, "stop"),
    h("button", { id: "again", onClick: () => void chat.regenerate() }, "again"));
}

/** Mounts the chat; gives what unmounts it. */
export function mountChat(props) {
  const root = createRoot(document.body.appendChild(document.createElement("div")));
  root.render(h(StrictMode, null, h(Chat, props)));
  return () => root.unmount();
}
