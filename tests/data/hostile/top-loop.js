// Never ends when it is loaded.
for (;;) {}
