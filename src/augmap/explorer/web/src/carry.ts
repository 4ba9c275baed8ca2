// Tags on their way from the page of a training to the page of its map: by file name, in the storage of this tab.

import type { App } from "./app.ts";
import { Mask } from "./mask.ts";

const KEY = "augmap-tags";

interface Put {
  title: string;
  tags: [string, string[]][];
  unsaved: string[];
}

/** Put the tags by for the page that comes next; false where this browser keeps nothing. */
export function putTagsBy(app: App): boolean {
  const named = (mask: Mask) => [...mask.rows()].map((row) => app.table.name(row));
  const put: Put = { title: app.meta.title, tags: [...app.tags].map(([tag, mask]) => [tag, named(mask)]), unsaved: named(app.unsaved) };
  try {
    sessionStorage.setItem(KEY, JSON.stringify(put));
    app.unsaved = new Mask(app.table.n); // nothing is lost with this page
    return true;
  } catch {
    return false; // closed to this page, or full
  }
}

/** Take up what was put by for this map, once its names are there. */
export function takeTagsUp(app: App): void {
  const put = read();
  if (put?.title !== app.meta.title) return;
  const rows = new Map(Array.from({ length: app.table.n }, (_, row) => [app.table.name(row), row]));
  const masked = (names: string[]) => Mask.of(app.table.n, names.flatMap((name) => rows.get(name) ?? []));
  for (const [tag, names] of put.tags) app.tags.set(tag, masked(names));
  app.unsaved = masked(put.unsaved);
  if (put.tags.every(([tag, names]) => app.tags.get(tag)!.count === names.length)) sessionStorage.removeItem(KEY);
}

function read(): Put | null {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "null") as Put | null;
  } catch {
    return null;
  }
}
