// Making elements. Text goes in as text, never as markup: names and labels come from anywhere.

type Child = Node | string | null | undefined | false;
type Attributes = Record<string, string | number | boolean | null | undefined | ((e: never) => void)>;

/** `el("button.tool", {title: "Fit", onclick: fit}, "Fit")`: tag, classes, attributes, children. */
export function el<K extends keyof HTMLElementTagNameMap>(spec: K | `${K}.${string}`, attributes: Attributes = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const [tag, ...classes] = spec.split(".");
  const element = document.createElement(tag as K);
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value as unknown as EventListener);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) if (child || child === "") element.append(child);
  return element;
}

export function fill(parent: Element, ...children: Child[]): void {
  parent.replaceChildren(...(children.filter((c) => c || c === "") as (Node | string)[]));
}

const ICONS = {
  pan: "M8 1v14M1 8h14M8 1 6 3M8 1l2 2M8 15l-2-2M8 15l2-2M1 8l2-2M1 8l2 2M15 8l-2-2M15 8l-2 2",
  lasso: "M8 2.5c3.6 0 6.3 1.7 6.3 4s-2.7 4.2-6.3 4.2S1.7 8.9 1.7 6.5s2.7-4 6.3-4ZM4.3 9.9c-1.4.5-1.3 2.2.2 2.2s1.8 1.3.6 2.4",
  box: "M2.5 2.5h2M7 2.5h2M11.500 2.5h2v2M13.500 7v2M13.500 11.500v2h-2M9 13.500H7M4.500 13.500h-2v-2M2.500 9V7M2.500 4.500v-2",
  fit: "M2.500 6V2.500H6M10 2.500h3.500V6M13.500 10v3.500H10M6 13.500H2.500V10M6 8h4M8 6v4",
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  sun: "M8 5.200a2.800 2.800 0 1 0 0 5.600 2.800 2.800 0 1 0 0-5.600M8 1v1.600M8 13.400V15M1 8h1.600M13.400 8H15M3 3l1.200 1.200M11.800 11.800 13 13M13 3l-1.200 1.200M4.200 11.800 3 13",
  help: "M5.700 6.100c.1-1.400 1.100-2.200 2.400-2.200s2.300.9 2.300 2.100c0 1.700-2.300 1.800-2.300 3.600M8.100 12.100v.2",
  link: "M6.600 9.400 9.400 6.600M7.200 4.800l1.700-1.700a2.800 2.800 0 0 1 4 4l-1.700 1.700M8.800 11.200l-1.700 1.700a2.800 2.800 0 0 1-4-4l1.700-1.700",
  close: "M4 4l8 8M12 4l-8 8",
  eye: "M1.300 8S3.700 3.700 8 3.700 14.700 8 14.700 8 12.300 12.300 8 12.300 1.300 8 1.300 8ZM8 6.200a1.800 1.800 0 1 0 0 3.600 1.800 1.800 0 1 0 0-3.600",
  search: "M7 2.500a4.500 4.500 0 1 0 0 9 4.500 4.500 0 1 0 0-9M10.300 10.300 14 14",
  down: "M8 2.500v8M4.700 7.400 8 10.700l3.300-3.300M2.500 13.500h11",
  fly: "M14 2 2 7l5 2 2 5 5-12Z",
  menu: "M2 4.500h12M2 8h12M2 11.500h12",
  play: "M4.500 2.800v10.400L13 8 4.500 2.800Z",
  pause: "M5 3v10M11 3v10",
  stop: "M4 4h8v8H4Z",
  image: "M2 3h12v10H2ZM2 11l3.500-3.500L9 11M8 9.800l2-2 4 3.400M10.800 5.400v.1",
} as const;

export type IconName = keyof typeof ICONS;

export function icon(name: IconName): SVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** A button that is only a picture, with its name for those who cannot see it. */
export function iconButton(name: IconName, label: string, onclick: () => void, key?: string): HTMLButtonElement {
  return el("button.icon-button", { type: "button", title: key ? `${label} (${key})` : label, "aria-label": label, onclick }, icon(name));
}

export function number(value: number): string {
  return value.toLocaleString("en");
}

/** A score in four digits at most. */
export function score(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return number(value);
  const a = Math.abs(value);
  return a >= 1e5 || a < 1e-3 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${number(count)} ${count === 1 ? one : many}`;
}

export const reducedMotion = (): boolean => matchMedia("(prefers-reduced-motion: reduce)").matches;
