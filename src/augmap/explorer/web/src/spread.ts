// How far apart the views of an image lie: what augmap/explorer/placing.py says of them.

import type { Cloud } from "./contract.ts";

/** The views' root mean square distance from their mean, and their covariance (of a sample: n - 1). */
export function spread(views: [number, number][]): Cloud {
  const n = views.length;
  if (n < 2) return { views: [], spread: null };
  const mean = [0, 1].map((k) => views.reduce((total, view) => total + view[k as 0 | 1], 0) / n) as [number, number];
  const product = (j: 0 | 1, k: 0 | 1) => views.reduce((total, view) => total + (view[j] - mean[j]) * (view[k] - mean[k]), 0);
  const [uu, uv, vv] = [product(0, 0), product(0, 1), product(1, 1)];
  return { views, spread: { rms: Math.sqrt((uu + vv) / n), cov: [[uu / (n - 1), uv / (n - 1)], [uv / (n - 1), vv / (n - 1)]] } };
}
