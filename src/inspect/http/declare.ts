// HTTP inspection as configuration sees it: `ip inspect name X http java-list N`.

import type { Declaration, InspectorPolicy } from '../inspector.ts';

export const declaration: Declaration = { keywords: ['http'], ports: [80] };

/** Null without a java-list: the line is a TCP session by name then, and nothing is looked at. */
export function compilePolicy(line: { readonly javaList?: string | undefined }): InspectorPolicy | null {
  return line.javaList === undefined ? null : {};
}
