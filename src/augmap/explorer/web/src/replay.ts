// How the map formed, afterwards: a scrubber over the frames that training left.

import type { App } from "./app.ts";
import type { Replay } from "./contract.ts";
import { el, fill, icon, iconButton, number, score } from "./dom.ts";
import type { Points } from "./draw.ts";
import { duration, frameOf, paintLoss, type LossPoint } from "./frames.ts";
import type { Notices } from "./notices.ts";
import { Refusal, reasonOf } from "./source.ts";
import type { Stage } from "./stage.ts";

const SECONDS = 0.28; // a frame

export interface Replayer {
  strip: HTMLElement;
  open(): Promise<void>;
  toggle(): void;
  close(): boolean;
}

export function replayer(app: App, stage: Stage, notes: Notices, resized: () => void, restore: () => void): Replayer {
  const strip = el("section.strip-below.replay", { "aria-label": "Replay", hidden: true });
  const slider = el("input", { type: "range", min: 0, value: 0, step: 1, "aria-label": "Frame" });
  const play = el("button", { type: "button", title: "Play or pause (Space)" });
  const text = el("div.live-text");
  const curve = el("canvas.loss", { role: "img", "aria-label": "Loss over time" });
  let replay: Replay | null = null;
  let frames: Uint16Array | null = null;
  let rows: ArrayLike<number> | null = null;
  let losses: LossPoint[] = [];
  let at = 0;
  let playing = false;

  const load = async () => {
    if (frames) return;
    replay = await app.source.json<Replay>("replay.json");
    const blob = await app.source.blob("replay.bin");
    const want = replay.frames.length * replay.n * 4;
    if (blob.byteLength !== want) throw new Refusal(`the replay has ${number(blob.byteLength)} bytes, but ${number(replay.frames.length)} frames need ${number(want)}`);
    frames = new Uint16Array(blob);
    rows = replay.rows ? new Uint32Array(await app.source.column("replay_rows")) : null;
    losses = replay.losses.map(([seconds, loss, stage_number]) => ({ seconds, loss, stage: stage_number }));
    slider.max = String(replay.frames.length - 1);
  };
  const show = async (k: number, seconds: number) => {
    if (!replay || !frames) return;
    at = Math.max(0, Math.min(replay.frames.length - 1, k));
    slider.value = String(at);
    const f = replay.frames[at]!;
    slider.setAttribute("aria-valuetext", `${f.stage}, epoch ${Math.round(f.epoch)}`);
    fill(text, el("div.live-head", {}, el("strong", {}, f.stage), el("span.count", {}, ` epoch ${number(Math.round(f.epoch))} · ${duration(f.seconds)}${f.loss === null ? "" : ` · loss ${score(f.loss)}`}`)),
      el("p.hint", {}, f.pca ? "Still in many dimensions: the first two principal components are shown." : `Frame ${number(at + 1)} of ${number(replay.frames.length)}, ${number(replay.n)} images.`));
    paintLoss(curve, losses, f.seconds);
    stage.guest = () => points(replay!.n, frames!);
    await stage.draw(stage.guest(), seconds);
  };
  /** The frame in the colours of now; images that are hidden have no place. */
  const points = (n: number, all: Uint16Array): Points => {
    const { x, y } = frameOf(all.subarray(at * n * 2, (at + 1) * n * 2));
    const codes = new Uint16Array(n);
    for (let i = 0; i < n; i++) {
      const row = rows ? rows[i]! : i;
      codes[i] = app.coding.codes[row]!;
      if (!app.isVisible(row)) x[i] = NaN;
    }
    return { x, y, codes, palette: app.coding.palette };
  };
  const run = async () => {
    playing = true;
    buttons();
    if (replay && at >= replay.frames.length - 1) await show(0, 0);
    while (playing && replay && at < replay.frames.length - 1) {
      const began = performance.now();
      await show(at + 1, SECONDS);
      await new Promise((r) => setTimeout(r, Math.max(0, SECONDS * 1000 - (performance.now() - began))));
    }
    playing = false;
    buttons();
  };
  const buttons = () => fill(play, icon(playing ? "pause" : "play"), playing ? "Pause" : "Play");
  const toggle = () => {
    if (strip.hidden) return;
    if (playing) playing = false;
    else void run();
    buttons();
  };
  const close = (): boolean => {
    if (strip.hidden) return false;
    playing = false;
    strip.hidden = true;
    stage.guest = null;
    restore();
    resized();
    return true;
  };
  play.addEventListener("click", toggle);
  slider.addEventListener("input", () => {
    playing = false;
    buttons();
    void show(Number(slider.value), 0.12);
  });
  strip.append(el("div.replay-play", {}, play), text, el("div.scrub", {}, curve, slider), iconButton("close", "Close the replay", close, "Esc"));
  buttons();
  return {
    strip,
    async open() {
      try {
        await load();
      } catch (e) {
        return notes.say(`No replay: ${reasonOf(e)}.`);
      }
      strip.hidden = false;
      resized();
      play.focus(); // Space is its key from now on
      stage.filter(null);
      stage.select(new Uint32Array());
      stage.fly({ u: 0, v: 0, d: 1.08 });
      await show(0, 0);
      void run();
    },
    toggle,
    close,
  };
}
