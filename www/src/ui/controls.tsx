/** Buttons, fields and what else every view is made of. */
import type { ComponentChildren, JSX } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { Icon, type IconName } from "./icons.js";

interface ButtonProps {
  readonly children?: ComponentChildren;
  readonly onClick?: () => void;
  /** The first choice of a view is `main`; others are `quiet`; one that takes something away is `danger`. */
  readonly kind?: "main" | "quiet" | "danger" | "bare";
  readonly icon?: IconName;
  /** For one that is an icon only: what it does. */
  readonly label?: string;
  readonly disabled?: boolean;
  readonly submit?: boolean;
  readonly pressed?: boolean;
  readonly expanded?: boolean;
  readonly id?: string;
  readonly class?: string;
}

/** A button; one with a `label` and no children is an icon. */
export function Button({ children, onClick, kind = "quiet", icon, label, disabled, submit, pressed, expanded, id, class: more }: ButtonProps): JSX.Element {
  const classes = ["button", kind, children === undefined ? "only-icon" : "", more ?? ""].filter(Boolean).join(" ");
  return (
    <button
      type={submit === true ? "submit" : "button"} class={classes} id={id} disabled={disabled} aria-label={label} title={label}
      aria-pressed={pressed} aria-expanded={expanded} onClick={onClick === undefined ? undefined : () => { onClick(); }}
    >
      {icon !== undefined && <Icon name={icon} />}
      {children}
    </button>
  );
}

interface FieldProps {
  readonly label: string;
  /** Plain words below the field. */
  readonly help?: string | undefined;
  readonly children: (id: string, helpId: string | undefined) => ComponentChildren;
}

/** A field with its label, and help that a screen reader ties to it. */
export function Field({ label, help, children }: FieldProps): JSX.Element {
  const id = useId();
  const helpId = help === undefined ? undefined : `${id}-help`;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children(id, helpId)}
      {help !== undefined && <p class="small" id={helpId}>{help}</p>}
    </div>
  );
}

/** Words for screen readers only. */
export function Unseen({ children }: { readonly children: ComponentChildren }): JSX.Element {
  return <span class="unseen">{children}</span>;
}

interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly closeLabel: string;
  readonly children: ComponentChildren;
  /** Comes from the side, and takes the height of the window. */
  readonly drawer?: boolean;
}

/** A modal dialog: Escape closes it, and the focus goes back to where it was. */
export function Dialog({ title, onClose, closeLabel, children, drawer }: DialogProps): JSX.Element {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  // With the render, not a frame later: Escape must find it open.
  useLayoutEffect(() => {
    const { current } = ref;
    current?.showModal();
    return () => { current?.close(); };
  }, []);
  return (
    <dialog
      ref={ref} class={drawer === true ? "dialog drawer" : "dialog"} aria-labelledby={id} onClose={onClose}
      onClick={(event) => { if (event.target === ref.current) onClose(); }}
    >
      <div class="dialog-inner">
        <header class="row">
          <h2 id={id}>{title}</h2>
          <Button icon="close" kind="bare" label={closeLabel} onClick={onClose} />
        </header>
        {children}
      </div>
    </dialog>
  );
}
