// The neighbours of an image, in feature space and on the map, out of the columns or asked for one by one.

import type { App } from "./app.ts";
import type { Near } from "./contract.ts";
import { Refusal, reasonOf } from "./source.ts";

export interface Neighbours {
  features: number[];
  map: number[];
  /** Why there are none in feature space. */
  reason: string | null;
}

const ABSENT = 0xffffffff;

export async function neighboursOf(app: App, row: number): Promise<Neighbours> {
  const { table, meta } = app;
  const take = async (id: string): Promise<number[] | null> => {
    const spec = table.spec(id);
    if (!spec || spec.ready === false) return null;
    try {
      const all = await table.load(id);
      return Array.from(all.subarray(row * spec.k, (row + 1) * spec.k)).filter((i) => i !== ABSENT && i < table.n);
    } catch (e) {
      if (e instanceof Refusal && e.status === 503) return null;
      throw e;
    }
  };
  let [features, map] = await Promise.all([take("nn_features"), take("nn_map")]);
  let reason = meta.neighbors.reason;
  if (!features || !map) {
    let near: Near = { features: null, map: null };
    try {
      near = await app.source.near(row);
    } catch (e) {
      reason ??= reasonOf(e);
    }
    features ??= near.features;
    map ??= near.map;
  }
  map ??= table.cells.nearestK(table.x[row]!, table.y[row]!, meta.neighbors.k + 1).filter((i) => i !== row);
  return { features: features ?? [], map, reason: features ? null : (reason ?? "this map holds no features") };
}
