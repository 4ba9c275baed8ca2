// The review queue: duplicates side by side, outliers, label disagreements, uncertain images; worked through by keyboard.

import type { App } from "./app.ts";
import type { Review, ReviewItem } from "./contract.ts";
import { el, fill, iconButton, number } from "./dom.ts";
import { save, toCsv } from "./export.ts";
import type { Notices } from "./notices.ts";
import { Refusal, reasonOf } from "./source.ts";

export interface ReviewPanel {
  /** The section of the left panel: how much is done. */
  section: HTMLElement;
  /** The strip below the map. */
  strip: HTMLElement;
  step(by: number): void;
  decide(decision: string): void;
}

interface Place {
  queue: string;
  group: string;
  item: ReviewItem;
  items: ReviewItem[];
}

export const TITLES: Record<string, string> = { duplicates: "Near-duplicates", outliers: "Outliers", disagreement: "Labels in doubt", uncertain: "Uncertain", islands: "Islands", clusters: "Clusters" };

export function reviewPanel(app: App, go: (row: number) => void, notes: Notices, resized: () => void): ReviewPanel {
  const section = el("section.panel-section.review", { "aria-label": "Review", hidden: !app.meta.capabilities.review });
  const strip = el("section.strip-below.review-strip", { "aria-label": "Review queue", hidden: true });
  const told = el("span.count", { role: "status", "aria-live": "polite" });
  let review: Review | null = null;
  let places: Place[] = [];
  let at = -1;
  let queue = "";
  const unsaved = new Map<Place, string>(); // what was decided there last
  let timer = 0;
  let saving = false;

  const load = async () => {
    let found: Review;
    try {
      found = await app.source.review();
    } catch (e) {
      if (review) notes.banner("review", `The review cannot be loaded: ${reasonOf(e)}.`, { label: "Load again", run: () => void load() });
      else fill(section, el("h2.caption", {}, "Review"), el("p.hint", {}, `No review queues: ${reasonOf(e)}.`));
      return;
    }
    notes.banner("review", "");
    if (!unsaved.size && JSON.stringify(found) === JSON.stringify(review)) return; // nobody else has decided anything
    review = found;
    // it may have been written anew: go on at the same image, with the decisions that are not saved
    const same = (a: Place) => (b: Place) => a.queue === b.queue && a.item.name === b.item.name;
    const [here, mine] = [places.slice(at, at + 1), [...unsaved]];
    places = review.queues.flatMap((q) => q.groups.flatMap((g) => g.items.map((item) => ({ queue: q.queue, group: g.group, item, items: g.items }))));
    unsaved.clear();
    for (const [old, decision] of mine)
      for (const place of places.filter(same(old))) {
        place.item.decision = decision;
        unsaved.set(place, decision);
      }
    at = here.length ? places.findIndex(same(here[0]!)) : -1;
    if (at >= 0) {
      render(places[at]!);
      summary();
    } else close();
    const gone = new Set([...here, ...mine.map(([old]) => old)].filter((old) => !places.some(same(old))).map((old) => old.item.name));
    if (gone.size) notes.say(`No longer in the review: ${[...gone].slice(0, 3).join(", ")}${gone.size > 3 ? " …" : ""}.`);
    void send();
  };
  /** Back at this tab: another one, or `augmap review`, may have written meanwhile. */
  const lookAgain = async () => {
    const busy = unsaved.size || saving || strip.querySelector("input")?.value;
    if (document.hidden || app.source.offline || app.meta.live || busy) return;
    if (!review) app.meta.capabilities = (await app.source.meta()).capabilities;
    section.hidden = !app.meta.capabilities.review;
    if (app.meta.capabilities.review) await load();
  };
  const of = (name: string) => places.filter((p) => p.queue === name);
  const decided = (some: Place[]) => some.filter((p) => p.item.decision).length;

  const summary = () => {
    if (!review) return;
    const rows = review.queues.map((q) => {
      const some = of(q.queue);
      return el("button.queue", { type: "button", "aria-pressed": String(q.queue === queue && !strip.hidden), onclick: () => open(q.queue) },
        el("span.class-name", {}, TITLES[q.queue] ?? q.queue), el("span.count", {}, `${number(decided(some))} / ${number(some.length)}`));
    });
    fill(section, el("h2.caption", {}, "Review"), ...rows, places.length === 0 ? el("p.hint", {}, "Nothing to review: the queues are empty.") : null);
  };

  const open = (name: string) => {
    const some = places.findIndex((p) => p.queue === name && !p.item.decision);
    at = some >= 0 ? some : places.findIndex((p) => p.queue === name);
    if (at >= 0) show();
  };
  const close = () => {
    strip.hidden = true;
    at = -1;
    summary();
    resized();
  };
  const show = () => {
    const place = places[at];
    if (!place) return;
    const was = strip.hidden;
    queue = place.queue;
    strip.hidden = false;
    render(place);
    summary();
    if (was) resized();
    if (place.item.row !== null) go(place.item.row);
  };

  const render = (place: Place) => {
    const some = of(place.queue);
    const k = some.indexOf(place);
    const done = decided(some);
    const tabs = el("div.tabs", { role: "tablist" }, ...(review?.queues ?? []).map((q) =>
      el("button.tab", { type: "button", role: "tab", "aria-selected": String(q.queue === place.queue), onclick: () => open(q.queue) }, TITLES[q.queue] ?? q.queue)));
    const cards = el("div.review-items", {}, ...place.items.map((item) => itemCard(app, item, item === place.item, () => {
      at = places.findIndex((p) => p.item === item);
      show();
    })));
    const relabel = el("input", { type: "text", placeholder: "New label", "aria-label": "New label", list: "labels-known", maxlength: 200 });
    const form = el("form.tag", {}, relabel, el("button", { type: "submit" }, "Relabel"));
    form.addEventListener("submit", (e) => {
      e.preventDefault();
      const label = relabel.value.trim();
      relabel.blur(); // the next letter is a key again
      if (label) decide(`relabel:${label}`);
    });
    const label = app.table.label;
    const held = strip.contains(document.activeElement) ? (document.activeElement as HTMLElement).title : "";
    tell();
    fill(
      strip,
      el("progress", { max: Math.max(1, some.length), value: done, "aria-label": "Decided" }),
      el("div.review-head", {}, tabs, told, el("div.tools", {}, iconButton("down", "Save the decisions as CSV", download), iconButton("close", "Close the review", close))),
      el("div.review-body", {},
        cards,
        el("div.review-actions", {},
          el("p.hint", {}, `${number(k + 1)} of ${number(some.length)} · ${place.item.reason || ""}`),
          el("div.actions", {},
            el("button", { type: "button", title: "Previous ([)", onclick: () => step(-1) }, "["),
            el("button", { type: "button", title: "Keep (K)", "aria-pressed": String(place.item.decision === "keep"), onclick: () => decide("keep") }, "Keep ", el("kbd", {}, "K")),
            el("button", { type: "button", title: "Drop (D)", "aria-pressed": String(place.item.decision === "drop"), onclick: () => decide("drop") }, "Drop ", el("kbd", {}, "D")),
            el("button", { type: "button", title: "Next (])", onclick: () => step(1) }, "]"),
            place.item.decision ? el("button.link", { type: "button", onclick: () => decide("") }, "undo") : null),
          label ? form : null,
          label ? el("datalist", { id: "labels-known" }, ...(label.categories ?? []).slice(1, 300).map((c) => el("option", { value: c }))) : null)),
    );
    for (const chosen of strip.querySelectorAll(".current, .tab[aria-selected=true]")) chosen.scrollIntoView({ block: "nearest", inline: "nearest" });
    if (held) [...strip.querySelectorAll("button")].find((b) => b.title === held)?.focus();
  };
  /** How many are decided; that alone changes while somebody types a label. */
  const tell = () => {
    const some = of(queue);
    const todo = app.source.offline ? `${number(unsaved.size)} not yet saved as CSV` : "saving …";
    told.textContent = `${number(decided(some))} of ${number(some.length)} decided${unsaved.size ? ` · ${todo}` : ""}`;
  };

  const step = (by: number) => {
    if (!places.length) return;
    if (at < 0) {
      const first = places.findIndex((p) => !p.item.decision);
      at = first >= 0 ? first : 0;
    } else at = Math.max(0, Math.min(places.length - 1, at + by));
    show();
  };
  const decide = (decision: string) => {
    const place = places[at];
    if (!place) return;
    place.item.decision = decision;
    unsaved.set(place, decision);
    clearTimeout(timer);
    timer = window.setTimeout(() => void send(), 400);
    if (decision && at + 1 < places.length && places[at + 1]!.queue === place.queue) step(1);
    else show();
  };

  const send = async () => {
    if (saving || !unsaved.size) return;
    if (app.source.offline) {
      notes.banner("review", "This file cannot save decisions: take them along as CSV, augmap apply understands it.", { label: "Save CSV", run: download });
      return;
    }
    saving = true;
    let taken = false;
    const batch = [...unsaved];
    try {
      await app.source.decide(batch.map(([{ item }, decision]) => ({ line: item.line, name: item.name, decision })));
      for (const [place, decision] of batch) if (unsaved.get(place) === decision) unsaved.delete(place); // unless decided again meanwhile
      notes.banner("review", "");
      taken = true;
    } catch (e) {
      const stale = e instanceof Refusal && e.status === 409;
      notes.banner("review", `Decisions are not saved: ${reasonOf(e)}.`, stale ? { label: "Load again", run: () => void load() } : { label: "Try again", run: () => void send() });
    }
    saving = false;
    tell();
    summary();
    if (taken) void send(); // what was decided meanwhile
  };

  /** The decisions in the format of review.csv. */
  const download = () => {
    const header = ["queue", "group", "rank", "row", "name", "split", "label", "score", "tag", "reason", "decision"];
    const lines = places.map(({ queue: q, group, item }) =>
      [q, group, item.rank, String(item.row ?? ""), item.name, item.split, item.label, String(item.score ?? ""), item.tag ?? "", item.reason, item.decision]);
    save("review.csv", toCsv(header, lines), "text/csv");
    if (!app.source.offline) return;
    unsaved.clear(); // as saved as a file's decisions get
    notes.banner("review", "");
    tell();
  };

  if (app.meta.capabilities.review) void load();
  document.addEventListener("visibilitychange", () => void lookAgain().catch(() => undefined)); // or the server is away
  strip.addEventListener("keydown", (e) => {
    if (e.repeat && e.key === "Enter") e.preventDefault(); // held down it presses a button again and again
  });
  addEventListener("beforeunload", (e) => {
    if (unsaved.size) e.preventDefault();
  });
  app.on("table", () => {
    const place = places[at];
    if (place && !strip.hidden && !strip.contains(document.activeElement)) render(place);
  });
  return { section, strip, step, decide };
}

function itemCard(app: App, item: ReviewItem, current: boolean, choose: () => void): HTMLElement {
  const picture = el("div.review-picture");
  const address = item.row !== null && app.meta.capabilities.originals !== false ? app.source.image(item.row) : null;
  if (item.row !== null && app.sprites.there) picture.append(app.sprites.element(item.row, 104, item.name));
  else picture.append(el("p.hint", {}, item.row === null ? "not on this map" : ""));
  if (address) {
    const image = el("img", { src: address, alt: item.name });
    image.addEventListener("load", () => {
      if (image.naturalWidth < 128) image.classList.add("pixels");
      picture.replaceChildren(image);
    });
  }
  return el(
    current ? "button.review-item.current" : "button.review-item", { type: "button", onclick: choose, "aria-current": String(current), "data-decision": item.decision.split(":")[0] || null, title: item.name },
    picture,
    el("span.review-name", {}, item.name.split("/").pop() ?? item.name),
    el("span.hint", {}, [item.label, item.score?.toPrecision(2)].filter(Boolean).join(" · ")),
    item.decision ? el("span.verdict", {}, item.decision.replace("relabel:", "→ ")) : null,
  );
}
