// The ellipse of a covariance: half axes and angle.

export interface Ellipse {
  /** Half axes of one standard deviation, the larger first. */
  a: number;
  b: number;
  /** Direction of the larger one, radians, counter-clockwise. */
  angle: number;
}

export function ellipseOf(cov: [[number, number], [number, number]]): Ellipse {
  const [[p, q], [, r]] = cov;
  const mean = (p + r) / 2;
  const root = Math.hypot((p - r) / 2, q);
  return {
    a: Math.sqrt(Math.max(0, mean + root)),
    b: Math.sqrt(Math.max(0, mean - root)),
    angle: 0.5 * Math.atan2(2 * q, p - r),
  };
}
