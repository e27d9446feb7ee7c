// Logs for ever when it is loaded.
for (;;) console.log('x'.repeat(1000));
