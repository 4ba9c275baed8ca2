// The map while it is being made: frames move the points, the strip below has the loss, the time left and the brakes.

import type { App } from "./app.ts";
import { putTagsBy } from "./carry.ts";
import type { Frame, Status } from "./contract.ts";
import { el, fill, icon, number, plural, score } from "./dom.ts";
import { duration, frameOf, fromBase64, paintLoss, type LossPoint } from "./frames.ts";
import type { Notices } from "./notices.ts";
import { reasonOf } from "./source.ts";
import type { Stage } from "./stage.ts";

export function watch(app: App, stage: Stage, notes: Notices): HTMLElement {
  const live = app.meta.live!;
  const head = el("div.live-head");
  const note = el("p.hint.live-note");
  const curve = el("canvas.loss", { role: "img", "aria-label": "Loss over time" });
  const pause = el("button", { type: "button" });
  const stop = el("button", { type: "button", title: "End this stage now, finish shortly and save the map" }, icon("stop"), "Stop and keep");
  const strip = el("section.strip-below.live", { "aria-label": "Training" }, el("div.live-text", {}, head, note), curve, el("div.actions", {}, pause, stop));
  const losses: LossPoint[] = [];
  let state = live.state;
  let last: Frame | null = null;
  let lastAt = 0;
  let ended = false;

  const buttons = () => {
    const paused = state === "paused";
    fill(pause, icon(paused ? "play" : "pause"), paused ? "Resume" : "Pause");
    const over = ended || state === "stopping" || state === "done";
    pause.disabled = stop.disabled = over;
  };
  const control = async (action: "pause" | "resume" | "stop") => {
    try {
      state = (await app.source.control(action)).state;
      if (action === "stop") notes.say("Stopping: the map goes through a short ending, then it is saved.");
    } catch (e) {
      notes.say(`The training did not take that: ${reasonOf(e)}.`);
    }
    buttons();
  };
  pause.addEventListener("click", () => void control(state === "paused" ? "resume" : "pause"));
  stop.addEventListener("click", () => void control("stop"));

  const events = app.source.events();
  if (!events) return strip;
  const on = <T>(name: string, take: (data: T) => void) => events.addEventListener(name, (e) => take(JSON.parse((e as MessageEvent<string>).data)));
  on<Status>("status", (s) => {
    state = s.state;
    document.documentElement.dataset.step = `${s.stage_number}:${s.step}`;
    const share = s.steps ? ` · ${Math.floor((100 * s.step) / s.steps)} %` : "";
    const left = s.seconds_left === null ? "" : ` · ${duration(s.seconds_left)} left in this stage`;
    fill(head, el("strong", {}, state === "paused" ? "Paused" : state === "stopping" ? "Stopping" : s.stage[0]!.toUpperCase() + s.stage.slice(1)),
      el("span.count", {}, ` stage ${s.stage_number + 1} of ${s.stages}${share}${left}${s.loss === null ? "" : ` · loss ${score(s.loss)}`}`));
    buttons();
  });
  /** Load the page anew; where that would lose tags, when the reader says so. */
  const renew = (why: string, sameImages = true) => {
    events.close();
    if ((sameImages && putTagsBy(app)) || !app.unsaved.count) return location.reload();
    notes.banner("live", `${why} Tags end with this page: select what you tagged and save it as CSV or JSON, then load the page again.`, { label: "Load again", run: () => location.reload() }, true);
  };
  on<{ n: number }>("meta", ({ n }) => {
    if (n !== app.table.n) renew("The images have been read.");
  });
  on<Frame>("frame", (f) => {
    if (f.n !== app.table.n) return renew("This training is another than the one that the page was opened for.", false);
    last = f;
    lastAt = Date.now();
    const { x, y } = frameOf(fromBase64(f.xy));
    app.table.move(x, y);
    note.textContent = f.pca
      ? `${number(f.n)} of ${number(live.images)} images. The map still has ${f.dim} dimensions: its first two principal components are shown.`
      : `${number(f.n)} of ${number(live.images)} images, epoch ${number(Math.round(f.epoch))}.`;
    void stage.draw({ x, y, codes: app.coding.codes, palette: app.coding.palette }, Math.min(0.9, live.every * 0.5));
    document.documentElement.dataset.frame = String(f.frame);
    notes.banner("live", "");
  });
  on<{ points: [number, number][]; stage_number: number }>("loss", ({ points, stage_number }) => {
    for (const [seconds, loss] of points) if (!losses.length || seconds > losses[losses.length - 1]!.seconds) losses.push({ seconds, loss, stage: stage_number });
    paintLoss(curve, losses, null);
    curve.setAttribute("aria-label", `Loss over time, ${plural(losses.length, "value")}, the last ${score(losses[losses.length - 1]?.loss ?? NaN)}`);
  });
  on<{ state: string; reason: string | null; map: boolean }>("end", (end) => {
    ended = true;
    events.close();
    buttons();
    if (end.map) {
      notes.say("The map is ready.");
      setTimeout(() => renew("The map is ready."), 900);
    } else notes.banner("live", `Training ended (${end.state})${end.reason ? `: ${end.reason}` : ""}. ${when()}`, undefined, true);
  });
  const when = () => (last ? `The last frame is of ${new Date(lastAt).toLocaleTimeString("en-GB")}.` : "There was no frame yet.");
  events.addEventListener("error", () => {
    if (!ended) notes.banner("live", `The training does not answer. ${when()} The map stays as it is; the page tries again by itself.`, undefined, true);
  });
  events.addEventListener("open", () => notes.banner("live", ""));
  app.on("theme", () => paintLoss(curve, losses, null));
  buttons();
  fill(head, el("strong", {}, "Training"), el("span.count", {}, app.table.n ? " waiting for the first frame …" : " the images are being read …"));
  return strip;
}
