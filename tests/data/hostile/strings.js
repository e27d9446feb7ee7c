// Doubles a text for ever.
exports.handler = (context, event, callback) => {
  let text = 'x';
  for (;;) { text += text; text.charCodeAt(text.length - 1); }
};
