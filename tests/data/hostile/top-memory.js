// Takes all memory when it is loaded.
const held = [];
for (;;) held.push(new Uint8Array(1 << 20).fill(1));
