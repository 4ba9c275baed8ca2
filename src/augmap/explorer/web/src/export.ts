// The selection out of the page: CSV, JSON, a list of files.

import type { App } from "./app.ts";
import { el, plural } from "./dom.ts";

/** A field of RFC 4180: quoted where it must be. */
export function csvField(value: string): string {
  return /[",\r\n]/.test(value) ? `"${value.replace(/"/g, '""')}"` : value;
}

export function toCsv(header: string[], rows: Iterable<string[]>): string {
  const lines = [header.map(csvField).join(",")];
  for (const row of rows) lines.push(row.map(csvField).join(","));
  return `${lines.join("\r\n")}\r\n`;
}

/** Header and rows of an export: row, name, x, y (map units), labels, scores, tags. */
export function exportTable(app: App, rows: number[]): { header: string[]; rows: (string | number | null)[][] } {
  const { table, meta } = app;
  const labels = table.labels.filter((c) => table.get(c.id));
  const scores = table.scores.filter((c) => table.get(c.id));
  const { centre, factor } = meta.scale;
  const single = (v: number) => Number(Math.fround(v).toPrecision(7));
  return {
    header: ["row", "name", "x", "y", ...labels.map((c) => c.name), ...scores.map((c) => c.name), "tags"],
    rows: rows.map((i) => [
      i,
      table.name(i),
      Number.isFinite(table.x[i]) ? single(table.x[i]! / factor + centre[0]) : null,
      Number.isFinite(table.y[i]) ? single(table.y[i]! / factor + centre[1]) : null,
      ...labels.map((c) => table.category(c.id, i)),
      ...scores.map((c) => {
        const v = table.get(c.id)![i]!;
        return Number.isNaN(v) ? null : single(v);
      }),
      [...app.tags].filter(([, mask]) => mask.has(i)).map(([tag]) => tag).join(";"),
    ]),
  };
}

export function save(name: string, text: string | Blob, type = "text/plain"): void {
  const url = URL.createObjectURL(text instanceof Blob ? text : new Blob([text], { type: `${type};charset=utf-8` }));
  const link = el("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export function exportButtons(app: App, rows: () => number[], say: (text: string) => void): HTMLElement[] {
  const stem = app.meta.title.replace(/\.map$/, "").replace(/[^\w.-]+/g, "_") || "map";
  const ready = async () => {
    // every column that can be had goes into the file
    await Promise.allSettled([...app.table.labels, ...app.table.scores].filter((c) => c.ready !== false).map((c) => app.table.load(c.id)));
    return exportTable(app, rows());
  };
  const csv = async () => {
    const { header, rows: lines } = await ready();
    save(`${stem}-selection.csv`, toCsv(header, lines.map((l) => l.map((v) => (v === null ? "" : String(v))))), "text/csv");
    app.saved(rows());
  };
  const json = async () => {
    const { header, rows: lines } = await ready();
    save(`${stem}-selection.json`, JSON.stringify(lines.map((l) => Object.fromEntries(header.map((h, k) => [h, l[k]]))), null, 1), "application/json");
    app.saved(rows());
  };
  const list = async () => {
    const names = rows().map((i) => app.table.name(i));
    const text = `${names.join("\n")}\n`;
    try {
      await navigator.clipboard.writeText(text);
      say(`${plural(names.length, "file name")} copied.`);
    } catch {
      save(`${stem}-selection.txt`, text); // no clipboard, for example without focus
      say(`${plural(names.length, "file name")} saved as ${stem}-selection.txt: this browser did not open the clipboard.`);
    }
  };
  const button = (text: string, title: string, onclick: () => Promise<void>) => el("button", { type: "button", title, onclick: () => void onclick() }, text);
  return [
    button("CSV", "Save the selection as CSV", csv),
    button("JSON", "Save the selection as JSON", json),
    button("Copy names", "Copy the list of files", list),
  ];
}
