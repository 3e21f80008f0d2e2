// `npm start`: the set-up, then the demonstration of what the firewall is for.
//
// Live between network namespaces where we may make them; else the same dialogue from a capture through `replay`.

import { setup } from './setup.mjs';
import { main } from './steps.mjs';

await main(async () => {
  await setup();
  const { demonstrate } = await import('./demo/demo.mjs');
  await demonstrate();
});
