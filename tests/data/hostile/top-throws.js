// Throws a megabyte, with orders to terminals, when it is loaded.
throw new Error('\x1b[2J' + 'x'.repeat(1 << 19));
