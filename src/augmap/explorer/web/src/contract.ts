// What the page reads: the shapes of docs/explorer-format.md.

export type Dtype = "f32" | "u8" | "u16" | "u32" | "utf8";
export type Kind = "position" | "category" | "score" | "text" | "slot" | "order" | "neighbors" | "density";

export interface ColumnSpec {
  id: string;
  name: string;
  kind: Kind;
  dtype: Dtype;
  k: number;
  range: [number, number] | null;
  categories?: string[] | null;
  counts?: number[] | null;
  about?: string;
  ready?: boolean;
}

export interface Region {
  code: number;
  size: number;
  medoid: number;
  name: string | null;
  share: number | null;
  u: number;
  v: number;
}

export interface Live {
  stages: string[];
  state: string;
  every: number;
  images: number;
}

export interface Meta {
  format: number;
  version: string;
  title: string;
  method: string;
  n: number;
  dim: number;
  scale: { centre: [number, number]; factor: number };
  columns: ColumnSpec[];
  color_by: string | null;
  thumbs: { size: number; columns: number; pages: number } | null;
  neighbors: { k: number; features: boolean; map: boolean; reason: string | null };
  density: { id: string; width: number; height: number; extent: [number, number]; max: number } | null;
  regions: { levels: { id: string; name: string; regions: Region[] }[] } | null;
  capabilities: Record<string, boolean>;
  reasons: Record<string, string>;
  maps: { prefix: string; title: string }[];
  info: [string, string][];
  quality: { name: string; value: number; controls: Record<string, number>; note: string }[];
  points_tested: number;
  live: Live | null;
  /** What is still being found in the background. */
  pending?: string[];
  unmatched?: { only_here: number; only_there: number; names_here: string[]; names_there: string[] };
}

export interface Near {
  features: number[] | null;
  map: number[] | null;
}

/** Where the augmented views of an image lie, and how far apart. */
export interface Cloud {
  spread: { rms: number; cov: [[number, number], [number, number]] } | null;
  views: [number, number][];
}

/** Where a new image lands: the answer of POST /embed and of an encoder in the page. */
export interface Placement extends Cloud {
  x?: number;
  y?: number;
  u: number;
  v: number;
  neighbours: { map: number[]; features: number[] | null };
  distance: number | null;
  out_of_map: number | null;
  size?: [number, number];
  thumb?: string;
  /** An encoder in the page: finds the cloud, which takes as long as 32 images, once the image is looked at. */
  cloud?(): Promise<Cloud>;
}

export interface ReviewItem {
  line: number;
  row: number | null;
  rank: string;
  name: string;
  split: string;
  label: string;
  score: number | null;
  tag?: string;
  reason: string;
  decision: string;
}

export interface Review {
  queues: { queue: string; groups: { group: string; items: ReviewItem[] }[] }[];
}

export interface Frame {
  frame: number;
  stage: string;
  stage_number: number;
  step: number;
  epoch: number;
  seconds: number;
  pca: boolean;
  dim: number;
  n: number;
  xy: string;
}

export interface Status {
  state: string;
  stage: string;
  /** From 0. */
  stage_number: number;
  /** How many there are. */
  stages: number;
  step: number;
  steps: number;
  epoch: number;
  loss: number | null;
  learning_rate: number | null;
  views_per_second: number | null;
  seconds: number;
  seconds_left: number | null;
}

export interface Replay {
  n: number;
  frames: { stage: string; stage_number: number; step: number; epoch: number; seconds: number; pca: boolean; loss: number | null }[];
  stages: string[];
  losses: [number, number, number][];
  rows: boolean;
}
