// What the drive_*.mjs programs share: orders as JSON lines on standard input, events as JSON lines on standard output.
// conformance/src/driver.rs says which there are. The packages are where THINGWIRE_FOREIGN_NODE says.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

export const ALPN = "x-amzn-mqtt-ca";

/** A CommonJS package of the folder that `npm ci` filled. */
export const load = createRequire(`${process.env.THINGWIRE_FOREIGN_NODE}/`);

export function say(event, what = {}) {
  process.stdout.write(`${JSON.stringify({ event, ...what })}\n`);
}

/** Calls what an order names, one order a line. */
export function obey(actions) {
  createInterface({ input: process.stdin }).on("line", (line) => {
    const order = JSON.parse(line);
    actions[order.do](order);
  });
}
