// One sentence to the reader: passing ones at the foot, lasting ones as a banner with the one thing to do about it.

import { el, fill, iconButton } from "./dom.ts";

export interface Notices {
  element: HTMLElement;
  banners: HTMLElement;
  say(text: string): void;
  /** Show a banner under this name, in place of an earlier one; empty text takes it away. */
  banner(name: string, text: string, action?: { label: string; run: () => void }, lasting?: boolean): void;
}

export function notices(): Notices {
  const element = el("div.toast", { role: "status", "aria-live": "polite", hidden: true });
  const banners = el("div.banners", { role: "region", "aria-label": "Notices" });
  const byName = new Map<string, HTMLElement>();
  let timer = 0;
  return {
    element,
    banners,
    say(text) {
      element.textContent = text;
      element.hidden = false;
      clearTimeout(timer);
      timer = window.setTimeout(() => (element.hidden = true), 3000 + 40 * text.length);
    },
    banner(name, text, action, lasting = false) {
      byName.get(name)?.remove();
      byName.delete(name);
      if (!text) return;
      const line = el("div.banner", { role: "alert" });
      const close = () => {
        line.remove();
        byName.delete(name);
      };
      fill(line, el("span", {}, text), action ? el("button", { type: "button", onclick: action.run }, action.label) : null, lasting ? null : iconButton("close", "Dismiss", close));
      byName.set(name, line);
      banners.append(line);
    },
  };
}
