// The rehearsal of a data plane: what it plays reaches the other side, and nothing of it is left.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { MemoryPort } from '../../bench/memory-port.ts';
import { compilePolicy } from '../../src/config/compile.ts';
import { parseConfiguration } from '../../src/config/parse.ts';
import { rehearse } from '../../src/engine/rehearsal.ts';
import { rehearsalPolicy } from '../../src/engine/rehearsal-policy.ts';
import { DEFAULT_SHAPE, Region, regionOctets } from '../../src/frame/region.ts';
import { DataPlane } from '../../src/path/data-plane.ts';
import { attach } from '../../src/path/path.ts';
import type { PolicySnapshot } from '../../src/policy/snapshot.ts';
import * as C from '../../src/telemetry/counters.ts';
import { REASON_COUNT, REASONS } from '../../src/telemetry/reasons.ts';
import { ROOT } from '../lab/programs.ts';

function policyOf(name: string): PolicySnapshot {
  const { configuration } = parseConfiguration(readFileSync(join(ROOT, 'rules', name), 'utf8'));
  return compilePolicy(configuration, { epoch: 1, verifyChecksums: true });
}

function planeFor(policy: PolicySnapshot, devices: readonly (string | null)[]): DataPlane {
  const shape = { ...DEFAULT_SHAPE, storePages: 1024, portOctets: devices.map(() => 4096) };
  const ports = devices.map((device) => (device === null ? null : new MemoryPort(device)));
  const region = new Region(new ArrayBuffer(regionOctets(shape)), shape);
  return new DataPlane({ region, policy, ports, seed: 1, now: 0, syntheticArp: false });
}

/** Drops by name. */
function dropsIn(counters: Float64Array): Record<string, number> {
  const drops: Record<string, number> = {};
  for (let reason = 0; reason < REASON_COUNT; reason++) {
    const count = counters[C.DROPS + reason]!;
    if (count > 0) drops[REASONS[reason]!.name] = count;
  }
  return drops;
}

for (const name of ['3640.cfg', 'transparent.cfg', 'esmtp.cfg']) {
  t.test(name, async (t) => {
    const policy = policyOf(name);
    let attached = 0;
    const devices = policy.interfaces.map(({ enabled }) => (enabled && attached++ < 2 ? `x${attached}` : null));
    const plane = planeFor(policy, devices);
    const path = attach(plane);
    const stage = rehearsalPolicy(policy, devices);
    let played = new Float64Array(0);
    const forget = plane.forget.bind(plane);
    plane.forget = (now) => {
      if (plane.counters[C.RECEIVED]! > 0) played = plane.counters.slice();
      forget(now);
    };
    const now = rehearse(plane, path, stage!, policy);

    t.same(dropsIn(played), {}, 'nobody is turned away');
    t.ok(played[C.RECEIVED]! > 20_000, `${played[C.RECEIVED]} frames`);
    t.equal(played[C.TRANSMITTED_FRAMES], played[C.RECEIVED]);
    t.ok(played[C.SESSIONS_OPENED]! >= 3 * 64);
    t.equal(played[C.SESSIONS_CLOSED], played[C.SESSIONS_OPENED], 'all end');
    t.ok(played[C.SMTP_MASKED_COMMANDS]! >= 64, 'an illegal command of each mail session');

    t.same(
      plane.counters.filter((count) => count !== 0),
      [],
      'no count is left',
    );
    t.same(
      plane.hits.filter((count) => count !== 0),
      [],
    );
    t.same([plane.sessions.count, plane.wheel.count, plane.streams.pagesInUse, plane.frames.slotsInUse], [0, 0, 0, 0]);
    t.equal(plane.sessions.highest, 0, 'the first session is number 0');
    t.equal(plane.events.peek(), -1);
    t.equal(plane.policy, policy);
    t.equal(plane.hasReloaded, false);
    t.same([plane.now, plane.started, plane.nat.peakTime], [now, now, now], 'it begins now');
  });
}

t.test('a session table that is too small for it', async (t) => {
  const text = readFileSync(join(ROOT, 'rules/3640.cfg'), 'utf8').replace(/^end$/m, 'ip inspect max-sessions 100\nend');
  const policy = compilePolicy(parseConfiguration(text).configuration, { epoch: 1, verifyChecksums: true });
  const devices = ['x0', null, 'x1'];
  const plane = planeFor(policy, devices);
  t.equal(plane.sessions.capacity, 100);
  rehearse(plane, attach(plane), rehearsalPolicy(policy, devices)!, policy);
  t.same(
    plane.counters.filter((count) => count !== 0),
    [],
  );
  t.same([plane.sessions.count, plane.wheel.count, plane.streams.pagesInUse, plane.frames.slotsInUse], [0, 0, 0, 0]);
});

t.test('fewer than two ports rehearse nothing', async (t) => {
  const policy = policyOf('3640.cfg');
  t.equal(
    rehearsalPolicy(
      policy,
      policy.interfaces.map((_, i) => (i === 0 ? 'x0' : null)),
    ),
    null,
  );
});
